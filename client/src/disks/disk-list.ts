import { listBlockDevices } from './block-devices.ts';
import type { LocalDisk } from './local-disk.ts';
import { describeNamedDisk, NamedDiskError } from './named-disk.ts';

/** The disks to serve as they are now; called anew each time, because disks come and go. */
export type DiskList = () => readonly LocalDisk[];

export interface DiskListOptions {
  /** Serve these instead of the computer's disks. */
  readonly paths: readonly string[];
  /** Of plain files, in bytes. */
  readonly sectorSize: number;
}

/**
 * Chooses what to serve. Named disks must be there at the start; one that vanishes later leaves the list as an
 * unplugged disk does.
 *
 * @throws {NamedDiskError} for a named disk that cannot be served, or two of one name
 */
export function createDiskList({ paths, sectorSize }: DiskListOptions): DiskList {
  if (paths.length === 0) return () => listBlockDevices();
  const names = new Map<string, string>();
  for (const path of paths) {
    const { name } = describeNamedDisk(path, { sectorSize }).info;
    const other = names.get(name);
    if (other !== undefined) throw new NamedDiskError(path, `${other} has the same name, ${name}`);
    names.set(name, path);
  }
  return () => paths.map((path) => present(path, sectorSize)).filter((disk) => disk !== undefined);
}

function present(path: string, sectorSize: number): LocalDisk | undefined {
  try {
    return describeNamedDisk(path, { sectorSize });
  } catch (error) {
    if (error instanceof NamedDiskError) return undefined;
    throw error;
  }
}
