import { truncate, writeFile } from 'node:fs/promises';
import { DiskferryError } from '@diskferry/system/errors';
import type { RunResult } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import type { BootedClient } from './booted-client.ts';
import { diskferry } from './diskferry.ts';
import type { SourceComputer } from './source-computers/source-computer.ts';
import { workFile } from './work-files.ts';

const TIMEOUT_MS = 600_000;
/** How a command that was not misused ends: done, failed, or refused before it wrote anything. */
const EXIT_CODES = [0, 1, 2];

/** Makes an image (qcow2) of a source computer's disk. */
export async function imageOf(computer: SourceComputer, session: Session): Promise<string> {
  const { kind, layout, diskPath } = computer;
  const image = await workFile(session, `${kind}-${layout.rootFileSystem}.qcow2`);
  await diskferry(['convert', diskPath, image], { timeoutMs: TIMEOUT_MS });
  return image;
}

/** Makes a raw disk with nothing on it. */
export async function emptyDisk(session: Session, name: string, bytes: number): Promise<string> {
  const path = await workFile(session, name);
  await writeFile(path, '');
  await truncate(path, bytes);
  return path;
}

type Client = Pick<BootedClient, 'host' | 'diskPort' | 'connectionWords'>;

interface ListedDisk {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: { readonly logical: number };
}

/** The disks of a booted computer. */
export async function listDisks({ host, diskPort, connectionWords }: Client): Promise<readonly ListedDisk[]> {
  const words = ['inventory', '--json', '--timeout=60', ...connectionWords, `${host}:${diskPort}`];
  const { stdout } = await diskferry(words, { timeoutMs: TIMEOUT_MS });
  return (JSON.parse(stdout) as { disks: ListedDisk[] }).disks;
}

/** The name of the only one of some disks that has this size and these sectors, both in bytes. */
export function diskOfSize(
  disks: readonly ListedDisk[],
  { bytes, sectorSize }: { bytes: number; sectorSize: number },
): string {
  const found = disks.filter((disk) => disk.size === bytes && disk.sectorSize.logical === sectorSize);
  const [disk] = found;
  if (disk !== undefined && found.length === 1) return disk.name;
  throw new DiskferryError(
    'DISK_MISSING',
    `${found.length} disks have ${bytes} bytes: ${JSON.stringify(disks)}`,
  );
}

interface DeployTarget {
  readonly image: string;
  readonly address: string;
  /** Further options. */
  readonly words?: readonly string[];
}

/** The words that deploy an image onto a disk of a booted computer. */
export function deployWords(
  { connectionWords }: Pick<BootedClient, 'connectionWords'>,
  { image, address, words = [] }: DeployTarget,
): readonly string[] {
  return ['deploy', '--yes', '--json', ...words, ...connectionWords, image, address];
}

/** Deploys an image onto a disk of a booted computer. */
export async function deployImage(
  client: Pick<BootedClient, 'connectionWords'>,
  target: DeployTarget,
): Promise<RunResult> {
  return diskferry(deployWords(client, target), { timeoutMs: TIMEOUT_MS, okExitCodes: EXIT_CODES });
}
