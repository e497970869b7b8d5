import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;
/** Whoever makes the file may have failed, in ms; the start of a slow computer takes some 30 s. */
const LIMIT_MS = 90_000;

/** Waits until the file is there, but not for ever. */
export async function waitForFile(path: string, limitMs = LIMIT_MS): Promise<void> {
  const end = performance.now() + limitMs;
  while (!existsSync(path) && performance.now() < end) await sleep(POLL_MS);
}
