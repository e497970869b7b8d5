import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const BOUND_MS = 60_000;
const POLL_MS = 20;

/**
 * Serves a file over NBD with nbdkit until the test ends, if asked so slowly that there is time to break in.
 *
 * @returns the address, and the process's end
 */
export async function serveFile(
  test: TestContext,
  { folder, file, bytesPerSecond }: { folder: string; file: string; bytesPerSecond?: number },
): Promise<{ address: string; kill: () => void }> {
  const socket = join(folder, 'nbdkit.sock');
  // The rate filter counts bits.
  const rate = bytesPerSecond === undefined ? [] : [`rate=${bytesPerSecond * 8}`];
  const filter = bytesPerSecond === undefined ? [] : ['--filter=rate'];
  // It is written when the socket can be dialled; the socket itself is there a moment earlier.
  const ready = join(folder, 'nbdkit.pid');
  const place = ['--unix', socket, '--pidfile', ready];
  const words = ['--foreground', '--readonly', ...place, ...filter, 'file', file, ...rate];
  const child = spawn('nbdkit', words, { stdio: ['ignore', 'ignore', 'inherit'] });
  const kill = (): void => void child.kill('SIGKILL');
  test.after(kill);
  for (let waited = 0; !existsSync(ready); waited += POLL_MS) {
    if (waited > BOUND_MS || child.exitCode !== null) throw new Error('nbdkit did not start');
    await sleep(POLL_MS);
  }
  return { address: `nbd+unix:///?socket=${socket}`, kill };
}
