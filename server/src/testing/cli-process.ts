import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inMountNamespace } from '@diskferry/system/mount-namespace';

const MAIN = join(import.meta.dirname, '../../bin/diskferry.js');
/** Far more than any test needs; a test that waits so long has failed. */
const BOUND_MS = 120_000;

/** Whoever runs the tests may be logged in to a server of his own. */
export const NO_LOGIN = { XDG_CONFIG_HOME: '/nowhere', DISKFERRY_SERVER: '' };

export interface CliResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly pid: number;
  /** Resolves with the match when standard error has something that matches. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal to the whole process group, as a terminal does for Ctrl-C. */
  signalGroup(signal: NodeJS.Signals): void;
  readonly ended: Promise<CliResult>;
}

export interface CliOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Hides a program, in a mount namespace of its own: the file in its place cannot be run. */
  readonly withoutProgram?: string;
  /** Words before the command that run it elsewhere or as somebody else, such as those of nsenter. */
  readonly before?: readonly string[];
  /** More than two minutes, for tests with virtual machines, in ms. */
  readonly boundMs?: number;
}

/** Starts diskferry as a user would, in a process group of its own. */
export function startCli(
  words: readonly string[],
  { env = {}, withoutProgram, before = [], boundMs = BOUND_MS }: CliOptions = {},
): CliProcess {
  const command = [...before, process.execPath, MAIN, ...words];
  const hide = `mount --bind /dev/null ${withoutProgram} && exec "$@"`;
  const [program, ...args] = (withoutProgram === undefined ? command : inMountNamespace(hide, command)) as [
    string,
    ...string[],
  ];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...NO_LOGIN, ...env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('diskferry could not be started');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close', { signal: AbortSignal.timeout(boundMs) }).then(([exitCode, signal]) => ({
    exitCode: exitCode as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout,
    stderr,
  }));
  return {
    pid,
    async printed(pattern) {
      const signal = AbortSignal.timeout(boundMs);
      for (;;) {
        const match = pattern.exec(stderr);
        if (match !== null) return match;
        const result = await Promise.race([once(child.stderr, 'data', { signal }), ended]);
        if (!Array.isArray(result)) throw new Error(`diskferry ended; it said: ${stderr}${stdout}`);
      }
    },
    signalGroup(signal) {
      if (child.exitCode === null && child.signalCode === null) process.kill(-pid, signal);
    },
    ended,
  };
}

/** Runs diskferry to its end. */
export async function runCli(words: readonly string[], options?: CliOptions): Promise<CliResult> {
  return startCli(words, options).ended;
}
