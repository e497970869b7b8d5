import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../bin/diskferry.js');
/** Far more than any test needs; a test that waits so long has failed. */
const BOUND_MS = 120_000;

/** Diskferry on a terminal, with somebody at the keyboard. */
export interface CliTerminal {
  /** Resolves when the terminal shows something that matches. */
  shows(pattern: RegExp): Promise<void>;
  type(text: string): void;
  /** The exit code, and all that was shown. */
  readonly ended: Promise<{ readonly exitCode: number | null; readonly screen: string }>;
}

/** Starts diskferry on a terminal of its own, which script(1) makes. */
export function startOnTerminal(words: readonly string[], env: NodeJS.ProcessEnv): CliTerminal {
  const command = [process.execPath, MAIN, ...words].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qefc', `exec ${command}`, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let screen = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  const ended = once(child, 'close', { signal: AbortSignal.timeout(BOUND_MS) }).then(([exitCode]) => ({
    exitCode: exitCode as number | null,
    screen,
  }));
  return {
    async shows(pattern) {
      const signal = AbortSignal.timeout(BOUND_MS);
      while (!pattern.test(screen)) {
        const result = await Promise.race([once(child.stdout, 'data', { signal }), ended]);
        if (!Array.isArray(result)) throw new Error(`diskferry ended; its terminal showed: ${screen}`);
      }
    },
    type: (text) => child.stdin.write(text),
    ended,
  };
}
