import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

let counter = 0;

export interface MountOptions {
  readonly type: string;
  /** As `mount -o` takes them. */
  readonly options: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** The contents of the disk come from a stranger: nothing on it may act on this server. */
const HARMLESS = ['nosuid', 'nodev', 'noexec'];

/**
 * Mounts a device under the session's folder for the time of one piece of work, and unmounts it whatever happens.
 *
 * @throws {CommandError} when the kernel refuses the file system
 */
export async function withMount<T>(
  session: Session,
  device: string,
  { type, options, signal }: MountOptions,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const path = join(session.folder, `mount-${counter++}`);
  const folder = { kind: 'directory', path } as const;
  const mount = { kind: 'mount', path } as const;
  session.hold(folder);
  mkdirSync(path);
  session.hold(mount);
  try {
    const optionText = [...HARMLESS, ...options].join(',');
    await run(['mount', '-t', type, '-o', optionText, device, path], { signal });
    return await work(path);
  } finally {
    await session.release(mount);
    await session.release(folder);
  }
}
