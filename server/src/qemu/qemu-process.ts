import { spawn } from 'node:child_process';
import { debuglog } from 'node:util';
import { DiskferryError } from '@diskferry/system/errors';
import { installHint } from '@diskferry/system/packages';
import { identifyProcess } from '@diskferry/system/process-identity';
import type { Resource } from '@diskferry/system/resource';
import { type Command, shellQuote } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

const debug = debuglog('diskferry:qemu');

/** More of QEMU's complaints than anyone reads. */
const MAX_STDERR_CHARACTERS = 20_000;

/** How a machine ended: by itself, by a signal, or because QEMU could not go on (then with words on stderr). */
export interface MachineExit {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly stderr: string;
}

export interface QemuProcess {
  readonly pid: number;
  /** Resolves when QEMU has ended and is no longer held by the session. */
  readonly exited: Promise<MachineExit>;
  kill(): Promise<MachineExit>;
}

/**
 * Starts QEMU, which outlives the call: so not through `run()`. It is held by the session instead, and has a
 * process group of its own, so that Ctrl-C ends the work in our order and not the machine first.
 *
 * @throws {DiskferryError} `COMMAND_MISSING` when QEMU is not installed
 */
export async function startQemu(command: Command, session: Session): Promise<QemuProcess> {
  const [program, ...args] = command;
  debug('%s', shellQuote(command));
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => {
    stderr = (stderr + piece.toString()).slice(-MAX_STDERR_CHARACTERS);
  });
  let resource: Resource | undefined;
  const exited = new Promise<MachineExit>((resolve) => {
    child.once('close', (code, signal) => {
      if (resource !== undefined) session.drop(resource);
      resolve({ exitCode: code ?? undefined, signal: signal ?? undefined, stderr });
    });
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(notStarted(program, cause)));
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  const identity = identifyProcess(pid);
  if (identity !== undefined) {
    resource = { kind: 'process', ...identity, name: program };
    session.hold(resource);
  }
  return {
    pid,
    exited,
    kill: async () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
}

function notStarted(program: string, cause: Error): DiskferryError {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') {
    return new DiskferryError('COMMAND_FAILED', `${program} could not be started: ${cause.message}`, {
      cause,
    });
  }
  return new DiskferryError(
    'COMMAND_MISSING',
    `the program ${program} is not installed; ${installHint(program)}`,
  );
}
