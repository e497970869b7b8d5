import { spawn } from 'node:child_process';
import { debuglog } from 'node:util';
import { DiskferryError } from '@diskferry/system/errors';
import { installHint } from '@diskferry/system/packages';
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
 * @param mark a word of the command that no other process has, by which a clean-up finds it
 * @throws {DiskferryError} `COMMAND_MISSING` when QEMU is not installed
 */
export async function startQemu(command: Command, mark: string, session: Session): Promise<QemuProcess> {
  const [program, ...args] = command;
  debug('%s', shellQuote(command));
  const daemon: Resource = { kind: 'daemon', argument: mark, name: program };
  session.hold(daemon);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => {
    stderr = (stderr + piece.toString()).slice(-MAX_STDERR_CHARACTERS);
  });
  const exited = new Promise<MachineExit>((resolve) => {
    child.once('close', (code, signal) => {
      session.drop(daemon);
      resolve({ exitCode: code ?? undefined, signal: signal ?? undefined, stderr });
    });
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(notStarted(program, cause)));
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  const kill = async (): Promise<MachineExit> => {
    child.kill('SIGKILL');
    return exited;
  };
  return { pid, exited, kill };
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
