import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Command } from '@diskferry/system/run';
import { atEnd } from './at-end.ts';

/** A program that stays until it is killed or the test ends. */
export interface Background {
  readonly pid: number;
  /** What it has printed so far, on both outputs. */
  output(): string;
  isRunning(): boolean;
  /** Ends it, with SIGKILL by default, and waits for its end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  readonly ended: Promise<void>;
}

/** Starts a program that serves something. Not through `run`, because it stays. */
export function startBackground(
  test: TestContext,
  [program, ...args]: Command,
  env: Readonly<Record<string, string>> = {},
): Background {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const ended = endOf(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    child.kill(signal);
    await ended;
  };
  atEnd(test, () => kill());
  if (child.pid === undefined) throw new Error(`${program} could not be started`);
  return {
    pid: child.pid,
    output: () => output,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill,
    ended,
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await once(child, 'exit');
}
