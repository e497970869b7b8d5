import { readFile, writeFile } from 'node:fs/promises';
import type { Session } from '@diskferry/system/session';
import { workFile } from './work-files.ts';

/**
 * A copy of a file in which bytes are changed.
 *
 * @param alter changes the bytes in place
 */
export async function alteredCopy(
  session: Session,
  source: string,
  name: string,
  alter: (bytes: Buffer) => void | Promise<void>,
): Promise<string> {
  const bytes = await readFile(source);
  await alter(bytes);
  const path = await workFile(session, name);
  await writeFile(path, bytes);
  return path;
}

/** Turns all bits of some bytes. */
export function turnBits(bytes: Buffer, at: number, count = 16): void {
  for (let index = at; index < at + count; index++) bytes[index] = (bytes[index] ?? 0) ^ 0xff;
}
