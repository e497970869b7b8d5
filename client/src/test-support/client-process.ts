import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../main.ts');
/** Far more than any test needs; a test that waits so long has failed. */
const BOUND_MS = 60_000;

export interface ClientProcess {
  /** Port of the disks. */
  readonly port: number;
  readonly controlPort: number;
  /** All that it has printed so far. */
  output(): string;
  /** Resolves when it has printed something that matches. */
  printed(pattern: RegExp): Promise<void>;
  /** Ends it with SIGTERM by default. */
  end(signal?: NodeJS.Signals): Promise<{ readonly exitCode: number | null }>;
}

/**
 * Starts the imaging client as a process in plain text on free ports of the loopback address, and waits until it is
 * ready.
 */
export async function startClientProcess(...args: string[]): Promise<ClientProcess> {
  return startKeyedClientProcess('--insecure', ...args);
}

/** The same without `--insecure`. Not through `run`, because it stays. */
export async function startKeyedClientProcess(...args: string[]): Promise<ClientProcess> {
  const child = spawn(
    process.execPath,
    [MAIN, '--listen', '127.0.0.1', '--port', '0', '--control-port', '0', ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  async function printed(pattern: RegExp): Promise<void> {
    const signal = AbortSignal.timeout(BOUND_MS);
    const ended = exited.then(() => {
      throw new Error(`the client ended; it printed: ${output}`);
    });
    // Nobody listens to it where the pattern is there already, or the client ends later.
    ended.catch(() => {});
    while (!pattern.test(output)) await Promise.race([once(child.stdout, 'data', { signal }), ended]);
  }
  await printed(/waiting for the server/);
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(output)?.[1]);
  const controlPort = Number(/--control-port (\d+)/.exec(output)?.[1] ?? port + 1);
  return {
    port,
    controlPort,
    output: () => output,
    printed,
    end: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await exited;
      return { exitCode: child.exitCode };
    },
  };
}
