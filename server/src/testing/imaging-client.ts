import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../client/src/main.ts');
const BOUND_MS = 30_000;

/** Runs our imaging client on a file until the test ends. Returns HOST:PORT. */
export async function startImagingClient(test: TestContext, file: string): Promise<string> {
  const words = ['--insecure', '--disk', file, '--listen', '127.0.0.1', '--port', '0', '--control-port', '0'];
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.after(() => child.kill('SIGKILL'));
  let output = '';
  const signal = AbortSignal.timeout(BOUND_MS);
  while (!output.includes('waiting for the server')) {
    const [chunk] = (await once(child.stdout, 'data', { signal })) as [Buffer];
    output += chunk.toString();
  }
  return `127.0.0.1:${/127\.0\.0\.1:(\d+)/.exec(output)?.[1]}`;
}
