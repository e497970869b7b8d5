import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const MAIN = join(import.meta.dirname, '../../../../client/src/main.ts');
/** Far more than any test needs; a test that waits so long has failed. */
const BOUND_MS = 60_000;

/** An imaging client that dials a server. */
export interface ManagedClientProcess {
  readonly pid: number;
  /** Resolves when the screen shows something that matches, wherever its lines are broken. */
  shows(pattern: RegExp): Promise<void>;
  /** Ends it. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export interface ManagedClientOptions {
  /** Of the server on the loopback address. */
  readonly port: number;
  /** Path of the authority's certificate. */
  readonly authorityFile: string;
  readonly secret: string;
  /** Files that are its disks. */
  readonly disks: readonly string[];
  /** Keeps its key; a new one by default. */
  readonly stateFolder?: string;
}

/** Starts the imaging client as boot media do, as a process that ends with the test. */
export function startManagedClient(
  test: TestContext,
  { port, authorityFile, secret, disks, stateFolder }: ManagedClientOptions,
): ManagedClientProcess {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-managed-'));
  const secretFile = join(folder, 'enrolment');
  writeFileSync(secretFile, `${secret}\n`, { mode: 0o600 });
  const words = [
    '--server',
    `127.0.0.1:${port}`,
    '--ca',
    authorityFile,
    '--enrolment',
    secretFile,
    '--state',
    stateFolder ?? join(folder, 'state'),
    ...disks.flatMap((disk) => ['--disk', disk]),
  ];
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  test.after(async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true });
  });
  if (child.pid === undefined) throw new Error('the imaging client could not be started');
  return {
    pid: child.pid,
    async shows(pattern) {
      const signal = AbortSignal.timeout(BOUND_MS);
      const ended = exited.then(() => {
        throw new Error(`the client ended; it printed: ${output}`);
      });
      // Nobody waits for it where the screen shows the pattern already.
      ended.catch(() => {});
      while (!pattern.test(output.replaceAll(/\s+/g, ' '))) {
        await Promise.race([once(child.stdout, 'data', { signal }), ended]);
      }
    },
    async end(signal = 'SIGTERM') {
      child.kill(signal);
      await exited;
    },
  };
}
