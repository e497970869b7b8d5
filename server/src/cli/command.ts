import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from '@diskferry/system/errors';

export type OptionTable = NonNullable<ParseArgsConfig['options']>;

/** What every command gets: its words, parsed. */
export interface Invocation {
  readonly positionals: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
  /** Of options that may be given several times, in their order. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  /** Aborted by Ctrl-C, SIGTERM or a closed terminal. */
  readonly signal: AbortSignal;
}

export interface CliOption {
  readonly name: string;
  /** Shown in the help as `--name VALUE`; a flag without a value when absent. */
  readonly value?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  readonly help: string;
}

/** One command of the command line, described as data so that help and parsing agree. */
export interface CliCommand {
  readonly name: string;
  /** The words after the name, such as ["ADDRESS", "IMAGE"]; one in square brackets may be missing, "[WORD]..." be many. */
  readonly operands: readonly string[];
  readonly summary: string;
  /** Paragraphs below the summary in the command's help. */
  readonly details?: string;
  readonly options: readonly CliOption[];
  /** Runs without first releasing what a killed diskferry left behind. */
  readonly keepsLeftovers?: boolean;
  /** Returns the exit code. */
  run(invocation: Invocation): Promise<number>;
}

const MAX_PORT = 65_535;

export const JSON_OPTION: CliOption = { name: 'json', help: 'print the result as one JSON document' };
export const TIMEOUT_OPTION: CliOption = {
  name: 'timeout',
  value: 'SECONDS',
  help: 'give up on a machine that answers nothing for so long (default 30)',
};

/**
 * Reads the words behind the command's name.
 *
 * @throws {UsageError} for unknown options and missing or surplus operands
 */
export function parseInvocation(
  command: CliCommand,
  words: readonly string[],
  signal: AbortSignal,
): Invocation {
  const options: OptionTable = Object.fromEntries(
    command.options.map(
      ({ name, value, multiple = false }) =>
        [name, { type: value === undefined ? 'boolean' : 'string', multiple }] as const,
    ),
  );
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...words], options, allowPositionals: true });
  } catch (error) {
    const [sentence] = (error as Error).message.split('. ');
    throw new UsageError(`${sentence}; see diskferry ${command.name} --help`);
  }
  const { positionals } = parsed;
  const required = command.operands.filter((operand) => !operand.startsWith('['));
  const most = command.operands.at(-1)?.endsWith('...') === true ? Infinity : command.operands.length;
  if (positionals.length < required.length || positionals.length > most) {
    throw new UsageError(
      `${command.name} takes ${command.operands.join(' and ') || 'no operands'}, not ${positionals.length} words; ` +
        `usage: ${usageLine(command)}`,
    );
  }
  const entries = Object.entries(parsed.values);
  return {
    positionals,
    flags: new Set(entries.filter(([, value]) => value === true).map(([name]) => name)),
    values: new Map(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string')),
    lists: new Map(entries.filter((entry): entry is [string, string[]] => Array.isArray(entry[1]))),
    signal,
  };
}

export function usageLine(command: CliCommand): string {
  return ['diskferry', command.name, ...command.operands, '[OPTION]...'].join(' ');
}

/** The number of ms of an option given in seconds. */
export function secondsOption(invocation: Invocation, name: string): number | undefined {
  const text = invocation.values.get(name);
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new UsageError(`--${name} takes a number of seconds above 0, not "${text}"`);
  }
  return seconds * 1000;
}

/** The number of a TCP port. */
export function portOption({ values }: Invocation, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > MAX_PORT) {
    throw new UsageError(`--${name} takes a number from 1 to ${MAX_PORT}, not "${text}"`);
  }
  return port;
}

/** An option that takes one of a few words. */
export function choiceOption<const T extends string>(
  invocation: Invocation,
  name: string,
  choices: readonly T[],
): T | undefined {
  const text = invocation.values.get(name);
  if (text === undefined) return undefined;
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw new UsageError(`--${name} takes ${choices.join(', ')}, not "${text}"`);
  return choice;
}
