import { UsageError } from '@diskferry/system/errors';
import type { ApiClient } from '../api-client/api-client.ts';
import type { NewRule, RegistrationRule } from '../registry/rule-book.ts';
import { RefusedError } from '../refused-error.ts';
import { type Action, type ActionContext, actionCommand } from './action-command.ts';
import type { CliCommand } from './command.ts';
import { formatTable, print, printJson, tellDone } from './output.ts';
import { CONDITION_NAMES, conditionsOf, positionOf, ruleCells } from './rule-words.ts';

export const rulesCommand: CliCommand = actionCommand({
  name: 'rules',
  summary: 'list the rules that register unknown computers; make, order and remove them',
  details:
    'The first rule that is on and fits names the computer and registers it. PATTERN may have {serial}, {uuid}, {mac},\n' +
    `{product}, {number} and {number:3} in it. CONDITION is one of ${CONDITION_NAMES.join(', ')};\n` +
    'all that are given must fit, and * stands for any text in the first two. RULE is a name, a position or an id. For example:\n' +
    'diskferry rules add lab "lab-{number:2}" subnet=192.0.2.0/24 --group lab',
  options: [
    {
      name: 'group',
      value: 'NAME',
      help: 'add: the computers get into that group, which is made if need be',
    },
    { name: 'position', value: 'N', help: 'add: before the rules from there on (default: the last one)' },
    { name: 'disabled', help: 'add: it registers nobody before it is enabled' },
  ],
  actions: {
    list: { operands: [], help: 'the rules in their order', run: list },
    add: {
      operands: ['NAME', 'PATTERN', 'CONDITION=VALUE', '[CONDITION=VALUE]...'],
      help: 'make a rule, for computers that come from now on',
      options: ['group', 'position', 'disabled'],
      run: add,
    },
    apply: { operands: [], help: 'register all unregistered computers that a rule fits', run: apply },
    move: {
      operands: ['RULE', 'POSITION'],
      help: 'give it another place; the first one that fits counts',
      run: async ({ words: [text = '', position = ''], ...context }) =>
        change(context, text, { position: positionOf(position, 'POSITION') }),
    },
    enable: turn(true, 'let it register computers'),
    disable: turn(false, 'let it register nobody'),
    remove: { operands: ['RULE'], help: 'delete it; computers stay registered', run: remove },
  },
});

async function list({ client, invocation: { flags } }: ActionContext): Promise<number> {
  const all = await (await client()).call('rules');
  if (flags.has('json')) printJson(all);
  else if (all.length === 0) print('there is no rule; see diskferry rules --help');
  else print(tableOf(all));
  return 0;
}

function tableOf(rules: readonly RegistrationRule[]): string {
  return formatTable(
    [['', 'NAME', 'IF', 'NAMES', 'GROUP', 'ON'], ...rules.map((rule) => ruleCells(rule))],
    [0],
  );
}

async function add({
  client,
  words: [name = '', namePattern = '', ...conditions],
  invocation,
}: ActionContext): Promise<number> {
  const { values, flags } = invocation;
  const position = values.get('position');
  const body: NewRule = {
    name,
    namePattern,
    conditions: conditionsOf(conditions),
    group: values.get('group'),
    enabled: !flags.has('disabled'),
    position: position === undefined ? undefined : positionOf(position, '--position'),
  };
  const rule = await (await client()).call('addRule', { body });
  return tellDone(rule, tableOf([rule]), flags);
}

async function apply({ client, invocation }: ActionContext): Promise<number> {
  const done = await (await client()).call('applyRules');
  const { registered } = done;
  const what = registered === 1 ? '1 computer is' : `${registered} computers are`;
  return tellDone(done, `${what} registered by rules now`, invocation.flags);
}

function turn(enabled: boolean, help: string): Action {
  return {
    operands: ['RULE'],
    help,
    run: async ({ words: [text = ''], ...context }) => change(context, text, { enabled }),
  };
}

async function change(
  { client, invocation }: Pick<ActionContext, 'client' | 'invocation'>,
  text: string,
  body: Partial<NewRule>,
): Promise<number> {
  const api = await client();
  const { id } = await findRule(api, text);
  const rule = await api.call('changeRule', { id, body });
  return tellDone(rule, tableOf([rule]), invocation.flags);
}

async function remove({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const { id, name } = await findRule(api, text);
  await api.call('removeRule', { id });
  return tellDone({ id, name, removed: true }, `the rule ${name} is deleted`, invocation.flags);
}

/** Names of rules need not differ. @throws {RefusedError} `RULE_MISSING` @throws {UsageError} where several are meant */
async function findRule(client: ApiClient, text: string): Promise<RegistrationRule> {
  const all = await client.call('rules');
  const named = all.filter(({ id, name }) => id === text || name === text);
  const [found, ...others] = named.length > 0 ? named : all.filter((rule) => String(rule.position) === text);
  if (found === undefined) {
    const names = all.map(({ position, name }) => `${position} ${name}`).join(', ') || 'none';
    throw new RefusedError('RULE_MISSING', `${client.name} has no rule ${text}; it has: ${names}`);
  }
  if (others.length > 0) {
    throw new UsageError(`several rules are called ${text}; take its position, see diskferry rules`);
  }
  return found;
}
