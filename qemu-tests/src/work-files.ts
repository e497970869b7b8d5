import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { cacheFolder } from './source-computers/cache.ts';

/** A place for a file of some GB that goes with the session; nothing is there yet. */
export async function workFile(session: Session, name: string): Promise<string> {
  const folder = join(cacheFolder(), 'work');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${session.id}-${name}`);
  session.hold({ kind: 'file', path });
  return path;
}

/** A copy of a disk file, to be worked on; shares blocks with it where the host's file system can do that. */
export async function workCopy(session: Session, source: string, name: string): Promise<string> {
  const path = await workFile(session, name);
  await run(['cp', '--reflink=auto', '--sparse=auto', source, path]);
  return path;
}

/** The sha256 of a file, in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest('hex');
}
