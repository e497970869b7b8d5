import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Partition } from '@diskferry/server-adapter/partitions/partition-table';
import type { AttachOptions, DiskSource, SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { messageOf } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import { listSessions, openSession, type Session } from '@diskferry/system/session';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import { RefusedError, requireRoot } from '../refused-error.ts';

const PURPOSE = 'attach';

/** A partition of an attached disk. */
export interface AttachedPartition {
  readonly number: number;
  readonly device: string;
  readonly size: number;
  readonly type: string;
  readonly label: string | undefined;
  /** The folder where its files are, or undefined with `note` saying why not. */
  readonly mountedAt: string | undefined;
  readonly note: string | undefined;
}

export interface AttachedDisk {
  readonly folder: string;
  readonly device: string;
  readonly size: number;
  readonly partitions: readonly AttachedPartition[];
}

/**
 * Attaches a remote disk or an image and mounts its partitions under `folder`, in folders named by their numbers.
 * It stays so after this process has ended, until `detachFolder`.
 *
 * @throws {RefusedError} when the folder is in use
 */
export async function attachFolder(
  source: DiskSource,
  folder: string,
  options: Omit<AttachOptions, 'session'>,
): Promise<AttachedDisk> {
  requireRoot('attaching a disk');
  const path = resolve(folder);
  refuseUsedFolder(path);
  const session = openSession(PURPOSE);
  try {
    if (!existsSync(path)) {
      session.hold({ kind: 'directory', path });
      mkdirSync(path, { recursive: true });
    }
    const disk = await attachDisk(source, { ...options, session });
    const partitions: AttachedPartition[] = [];
    for (const partition of await partitionsOf(disk)) {
      options.signal?.throwIfAborted();
      partitions.push(await mountPartition(disk, partition, path, options.mode === 'write', session));
    }
    session.keep({ folder: path });
    return { folder: path, device: disk.device, size: disk.size, partitions };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Unmounts and gives back what `attachFolder` made.
 *
 * @throws {RefusedError} `NOT_ATTACHED`
 */
export async function detachFolder(folder: string): Promise<void> {
  requireRoot('detaching a disk');
  const path = resolve(folder);
  const session = attachSessions().find(({ facts }) => facts['folder'] === path);
  if (session === undefined) {
    const others = attachSessions().map(({ facts }) => facts['folder']);
    const known = others.length === 0 ? 'nothing is attached' : `attached are: ${others.join(', ')}`;
    throw new RefusedError('NOT_ATTACHED', `no disk is attached at ${path}; ${known}`);
  }
  await session[Symbol.asyncDispose]();
}

function attachSessions(): Session[] {
  return listSessions().filter(({ purpose, owner }) => purpose === PURPOSE && owner === undefined);
}

function refuseUsedFolder(path: string): void {
  if (existsSync(path) && readdirSync(path).length > 0) {
    throw new RefusedError('FOLDER_NOT_EMPTY', `the folder ${path} is not empty; give an empty or a new one`);
  }
}

async function partitionsOf(disk: SimulatedDisk): Promise<readonly Partition[]> {
  const { kind, partitions } = await disk.readPartitionTable();
  if (kind === 'none') return [{ number: 0, start: 0, size: disk.size, type: '', role: 'primary' }];
  return partitions.filter(({ role }) => role !== 'extended');
}

async function mountPartition(
  disk: SimulatedDisk,
  partition: Partition,
  folder: string,
  writable: boolean,
  session: Session,
): Promise<AttachedPartition> {
  const { number, size } = partition;
  const device = await disk.attachPartition(partition);
  const { type, label } = await recogniseFileSystem(device);
  const mountPoint = join(folder, String(number));
  let note: string | undefined;
  if (type === 'swap' || type === 'unknown') {
    note = 'holds no files';
  } else {
    note = await mountAt(device, mountPoint, writable, session);
  }
  return { number, device, size, type, label, mountedAt: note === undefined ? mountPoint : undefined, note };
}

/** Returns why it could not be mounted, or undefined. */
async function mountAt(
  device: string,
  path: string,
  writable: boolean,
  session: Session,
): Promise<string | undefined> {
  const directory = { kind: 'directory', path } as const;
  const mount = { kind: 'mount', path } as const;
  session.hold(directory);
  mkdirSync(path);
  session.hold(mount);
  try {
    await run(['mount', '-o', writable ? 'rw' : 'ro,noatime', device, path]);
    return undefined;
  } catch (error) {
    await session.release(mount);
    await session.release(directory);
    const [sentence] = messageOf(error).split('\n');
    return `this server cannot mount it: ${sentence}`;
  }
}
