import { formatBytes } from '@diskferry/system/units';
import { sectorSizeOfDevice, sizeOfDevice } from './block-device.ts';
import { FileSystemError } from './errors.ts';
import type { FileSystem } from './file-system.ts';

/** The device that a twin is made on. */
export interface Destination {
  readonly bytes: number;
  /** The logical sector size, in bytes: 512 or 4096. */
  readonly sectorBytes: number;
}

export interface Suitability {
  /** Why the twin cannot be made there: a sentence. */
  readonly obstacle?: string | undefined;
  /** What the twin will have otherwise than the source, besides its size: sentences. */
  readonly changes: readonly string[];
}

/** Nothing hinders, nothing changes. */
export const SUITABLE: Suitability = { changes: [] };

/** A file system of that type needs more room than there is. */
export function tooSmall(type: string, needed: number, { bytes }: Destination): Suitability {
  const rounded = formatBytes(Math.ceil(needed));
  return {
    obstacle: `the ${type} file system needs at least ${rounded} (${Math.ceil(needed)} bytes), the destination has ${formatBytes(bytes)} (${bytes} bytes)`,
    changes: [],
  };
}

/**
 * Looks at a device that a twin is about to be made on.
 *
 * @throws {FileSystemError} `UNSUITABLE` when the twin cannot be made there
 */
export async function examineDestination(
  device: string,
  suitability: FileSystem['suitability'],
): Promise<Destination> {
  const destination = { bytes: await sizeOfDevice(device), sectorBytes: await sectorSizeOfDevice(device) };
  const { obstacle } = suitability(destination);
  if (obstacle !== undefined) throw new FileSystemError('UNSUITABLE', `${device}: ${obstacle}`);
  return destination;
}
