import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Session } from '@diskferry/system/session';

/** Lets a tool try something on a sparse file of that many bytes, which is gone afterwards. */
export async function withTrialFile<T>(
  session: Session,
  bytes: number,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(session.folder, 'trial-file-system');
  const file = { kind: 'file', path } as const;
  session.hold(file);
  try {
    await writeFile(path, '');
    await truncate(path, bytes);
    return await work(path);
  } finally {
    await session.release(file);
  }
}
