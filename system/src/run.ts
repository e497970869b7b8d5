import { createInterface } from 'node:readline';
import { debuglog } from 'node:util';
import { type ExecaError, execa } from 'execa';
import { DiskferryError } from './errors.ts';
import { installHint } from './packages.ts';

const debug = debuglog('diskferry:run');

/** Output beyond this is dropped, so that a chatty program cannot fill the memory. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
/** How long a program may take to end after SIGTERM before it gets SIGKILL, in ms. */
const TERMINATION_GRACE_MS = 5_000;
/** How much of a failing program's words goes into the error message, in lines. */
const MAX_REPORTED_LINES = 12;

export type Command = readonly [program: string, ...args: string[]];

export interface RunOptions {
  /** What the program reads from its standard input; closed and empty by default. */
  readonly input?: string | Uint8Array;
  /** Ends the program when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** How long it may take to end after that before it is killed, in ms; 5 s by default. */
  readonly graceMs?: number;
  /** Ends the program after so many ms; no limit by default. */
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes that count as success; only 0 by default. */
  readonly okExitCodes?: readonly number[];
  /** Open files of this process that the program gets as descriptors 3, 4, and so on; not together with `input`. */
  readonly inheritedFiles?: readonly number[];
  /** How the output's bytes become text: "latin1" keeps each byte as one character, for names that are not UTF-8. */
  readonly encoding?: 'utf8' | 'latin1';
  /** Called with the process id as soon as the program runs, to register it. */
  readonly onStart?: (pid: number) => void;
  /** Called with each line of its standard error as soon as it is written. */
  readonly onErrorLine?: (line: string) => void;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A program could not be started (`COMMAND_MISSING`), failed (`COMMAND_FAILED`) or was ended (`COMMAND_ENDED`). */
export class CommandError extends DiskferryError {
  readonly command: Command;
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(code: string, message: string, facts: CommandFacts) {
    super(code, message, { cause: facts.cause });
    this.command = facts.command;
    this.exitCode = facts.exitCode;
    this.stdout = facts.stdout;
    this.stderr = facts.stderr;
  }
}

interface CommandFacts {
  readonly command: Command;
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly cause: unknown;
}

/**
 * The one door to external programs: standard input closed, fixed locale and time zone, bounded output,
 * and an error whose first line can be pasted into a shell.
 *
 * @throws {CommandError} when the program is missing, fails, or is ended by signal, abort or time-out
 */
export async function run(command: Command, options: RunOptions = {}): Promise<RunResult> {
  const [program, ...args] = command;
  debug('%s', shellQuote(command));
  const child = execa(program, args, {
    ...standardStreams(options),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...options.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
    encoding: options.encoding ?? 'utf8',
    maxBuffer: MAX_OUTPUT_BYTES,
    forceKillAfterDelay: options.graceMs ?? TERMINATION_GRACE_MS,
    stripFinalNewline: false,
    reject: false,
  });
  if (child.pid !== undefined) options.onStart?.(child.pid);
  const { onErrorLine } = options;
  // Execa keeps collecting the output beside it.
  if (onErrorLine !== undefined && child.stderr)
    createInterface({ input: child.stderr }).on('line', onErrorLine);
  const result = await child;
  const okExitCodes = options.okExitCodes ?? [0];
  if (result.exitCode === undefined || !okExitCodes.includes(result.exitCode)) {
    throw failureOf(command, result as unknown as ExecaError);
  }
  return { stdout: result.stdout, stderr: result.stderr, exitCode: result.exitCode };
}

function standardStreams({ input, inheritedFiles }: RunOptions): object {
  if (inheritedFiles !== undefined) return { stdio: ['ignore', 'pipe', 'pipe', ...inheritedFiles] };
  return input === undefined ? { stdin: 'ignore' } : { input };
}

/** Runs a program whose output is JSON, and parses it. */
export async function runJson<T>(command: Command, options?: RunOptions): Promise<T> {
  const { stdout } = await run(command, options);
  return JSON.parse(stdout) as T;
}

/** A command as a person would type it into a shell. */
export function shellQuote(command: Command): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(' ');
}

function failureOf(command: Command, failure: ExecaError): CommandError {
  const stderr = String(failure.stderr ?? '');
  const stdout = String(failure.stdout ?? '');
  const facts = { command, exitCode: failure.exitCode, stdout, stderr, cause: failure };
  const [program] = command;
  if (failure.code === 'ENOENT') {
    const hint = installHint(program);
    const advice = hint === undefined ? '' : `; ${hint}`;
    return new CommandError('COMMAND_MISSING', `the program ${program} is not installed${advice}`, facts);
  }
  if (failure.isCanceled || failure.timedOut || failure.isTerminated) {
    const reason = failure.timedOut ? 'a time-out' : (failure.signal ?? 'a cancellation');
    return new CommandError('COMMAND_ENDED', `${shellQuote(command)} was ended by ${reason}`, facts);
  }
  const words = (stderr.trim() || stdout.trim()).split('\n').slice(-MAX_REPORTED_LINES);
  return new CommandError(
    'COMMAND_FAILED',
    `${shellQuote(command)} ended with exit code ${failure.exitCode ?? 'none'}: ${words.join('\n')}`,
    facts,
  );
}
