import { UsageError } from '@diskferry/system/errors';
import type { ApiClient } from '../api-client/api-client.ts';
import { type CliCommand, type CliOption, type Invocation, JSON_OPTION, TIMEOUT_OPTION } from './command.ts';
import { openClient, SERVER_OPTION } from './server-option.ts';

/** One thing that a command can do, named by its first word. */
export interface Action {
  /** As those of commands. */
  readonly operands: readonly string[];
  readonly help: string;
  /** Those of the command's options that it takes, besides those that all take. */
  readonly options?: readonly string[];
  /** @returns the exit code */
  run(context: ActionContext): Promise<number>;
}

export interface ActionContext {
  /** The words after that of the action. */
  readonly words: readonly string[];
  readonly invocation: Invocation;
  /** Of the server that is configured. @throws {RefusedError} `NO_SERVER` */
  readonly client: () => Promise<ApiClient>;
}

export interface ActionCommand {
  readonly name: string;
  readonly summary: string;
  readonly details?: string;
  readonly options: readonly CliOption[];
  /** By their words; the first one is done where none is named. */
  readonly actions: Readonly<Record<string, Action>>;
}

const ALWAYS = [JSON_OPTION, SERVER_OPTION, TIMEOUT_OPTION];

/** A command that asks a server for one of several things. */
export function actionCommand({ name, summary, details, options, actions }: ActionCommand): CliCommand {
  const [standard = ''] = Object.keys(actions);
  const rows = Object.entries(actions).map(
    ([word, { operands, help }]) => [['diskferry', name, word, ...operands].join(' '), help] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  const table = rows.map(([left, right]) => `${left.padEnd(width)}   ${right}`).join('\n');
  return {
    name,
    operands: ['[ACTION]', '[OPERAND]...'],
    summary,
    details: [table, details].filter((part) => part !== undefined).join('\n\n'),
    options: [...options, ...ALWAYS],
    keepsLeftovers: true,
    run: async (invocation) => {
      const [word = standard, ...words] = invocation.positionals;
      const action = Object.hasOwn(actions, word) ? actions[word] : undefined;
      if (action === undefined) {
        throw new UsageError(`${name} takes ${Object.keys(actions).join(', ')}, not "${word}"`);
      }
      requireOperands(`${name} ${word}`, action, words);
      requireOptions(`${name} ${word}`, action, invocation);
      return action.run({ words, invocation, client: () => openClient(invocation) });
    },
  };
}

function requireOperands(title: string, { operands }: Action, words: readonly string[]): void {
  const least = operands.filter((operand) => !operand.startsWith('[')).length;
  const most = operands.at(-1)?.endsWith('...') === true ? Infinity : operands.length;
  if (words.length >= least && words.length <= most) return;
  throw new UsageError(
    `${title} takes ${operands.join(' and ') || 'no operands'}; usage: diskferry ${[title, ...operands].join(' ')}`,
  );
}

/** An option that does nothing must not be thought to do something. */
function requireOptions(title: string, { options = [] }: Action, invocation: Invocation): void {
  const { flags, values, lists } = invocation;
  const taken = [...options, ...ALWAYS.map(({ name }) => name)];
  const [foreign] = [...flags, ...values.keys(), ...lists.keys()].filter((name) => !taken.includes(name));
  if (foreign !== undefined) throw new UsageError(`--${foreign} does not belong to diskferry ${title}`);
}
