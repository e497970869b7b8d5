import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../client/src/main.ts');
const BOUND_MS = 120_000;

export interface KeyedClient {
  /** HOST:PORT of its disks. */
  readonly address: string;
  readonly controlPort: string;
  /** All that its screen has shown so far. */
  output(): string;
  /** Resolves when its screen has shown something that matches. */
  shown(pattern: RegExp): Promise<void>;
  /** The pairing code that its screen shows now. */
  code(): string;
  /** Of its key. */
  fingerprint(): string;
  end(): Promise<void>;
}

/** Runs our imaging client on a file in plain text until the test ends. Returns HOST:PORT. */
export async function startImagingClient(
  test: TestContext,
  file: string,
  options: readonly string[] = [],
): Promise<string> {
  const { address } = await startClient(test, ['--insecure', '--disk', file, ...options]);
  return address;
}

/** Runs our imaging client on a file, with keys that it keeps in `stateFolder`, until the test ends. */
export async function startKeyedClient(
  test: TestContext,
  { file, stateFolder, options = [] }: { file: string; stateFolder: string; options?: readonly string[] },
): Promise<KeyedClient> {
  return startClient(test, ['--disk', file, '--state', stateFolder, ...options]);
}

async function startClient(test: TestContext, options: readonly string[]): Promise<KeyedClient> {
  const words = ['--listen', '127.0.0.1', '--port', '0', '--control-port', '0', ...options];
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const last = (pattern: RegExp): string => [...output.matchAll(pattern)].at(-1)?.[1] ?? '';
  async function shown(pattern: RegExp): Promise<void> {
    const signal = AbortSignal.timeout(BOUND_MS);
    while (!pattern.test(output)) await once(child.stdout, 'data', { signal });
  }
  await shown(/waiting for the server/);
  const port = last(/127\.0\.0\.1:(\d+)/g);
  return {
    address: `127.0.0.1:${port}`,
    controlPort: last(/--control-port (\d+)/g) || String(Number(port) + 1),
    output: () => output,
    shown,
    code: () => last(/Pairing code: (\S+)/g),
    fingerprint: () => last(/Fingerprint: {2}(\S+)/g),
    end: async () => {
      child.kill();
      await ended;
    },
  };
}
