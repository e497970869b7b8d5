import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

const DISKFERRY = join(import.meta.dirname, '../../server/bin/diskferry.js');

/** Captures what a client serves into a new image in the place of an older one. */
export async function captureInto(
  image: string,
  uri: string,
  words: readonly string[] = [],
  onStart?: (pid: number) => void,
): Promise<void> {
  await rm(image, { force: true });
  await run(
    [process.execPath, DISKFERRY, 'capture', uri, image, '--insecure', '--json', ...words],
    onStart === undefined ? {} : { onStart },
  );
}

/** A path beside a disk, for a file that is deleted with the session. */
export function beside(session: Session, disk: string, ending: string): string {
  const path = `${disk}.${ending}`;
  session.hold({ kind: 'file', path });
  return path;
}

/** Bytes that a sparse file really takes. */
export async function allocatedBytes(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}
