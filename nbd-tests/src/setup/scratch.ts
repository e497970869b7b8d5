import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from './at-end.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** A folder that is gone after the test. */
export function scratchFolder(test: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-nbd-'));
  atEnd(test, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * A file of random bytes with a stretch of zeros in its middle, so that programs which look for zeros find some.
 *
 * @param size bytes
 */
export function randomFile(path: string, size: number): string {
  const bytes = randomBytes(size);
  bytes.fill(0, Math.floor(size / 2), Math.floor(size / 2) + Math.floor(size / 8));
  writeFileSync(path, bytes);
  return path;
}

/** The checksum of a file, as hex digits. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
