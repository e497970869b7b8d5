import type { DiskAddress } from '@diskferry/protocol/disk-address';
import type { ManagedDiskName } from '@diskferry/server-adapter/control/managed-grant';
import { RefusedError } from '../refused-error.ts';
import { listComputers } from './local-client.ts';
import type { ManagedComputer } from './managed-computer.ts';
import { interfacePath } from './run-folder.ts';

/** What the name of a computer can be; a host with dots, colons or a port is none. */
const DISK_OF_COMPUTER = /^(?:\/dev\/)?(.+)@([A-Za-z0-9_-]+)$/;

interface FoundDisk {
  readonly address: DiskAddress;
  readonly managed: ManagedDiskName;
}

/** A connected computer by its name; undefined if there is none, or no `diskferry serve`. */
export async function findComputer(name: string): Promise<ManagedComputer | undefined> {
  return (await listComputers())?.find((computer) => computer.name === name);
}

/**
 * Where the disk is that somebody writes as sda@COMPUTER; undefined if no computer of that name is connected, so that
 * the name must be that of a host.
 *
 * @throws {RefusedError} `DISK_MISSING` if the computer is connected but has no such disk
 */
export async function findManagedDisk(text: string): Promise<FoundDisk | undefined> {
  const [, disk = '', name = ''] = DISK_OF_COMPUTER.exec(text) ?? [];
  const computer = name === '' ? undefined : await findComputer(name);
  if (computer === undefined) return undefined;
  const found = computer.disks.find((candidate) => candidate.name === disk);
  if (found !== undefined) {
    return {
      address: { transport: 'unix', socketPath: found.socket, exportName: disk },
      managed: { interfacePath: interfacePath(), computer: name, disk },
    };
  }
  const names = computer.disks.map((candidate) => candidate.name).join(', ') || 'none';
  throw new RefusedError('DISK_MISSING', `${name} has no disk ${disk}; it has: ${names}`);
}
