import { UsageError } from '@diskferry/system/errors';
import { formatBytes } from '@diskferry/system/units';
import type { RouteName } from '../api-client/routes.ts';
import type { ApiComputer, ApiComputerDetails } from '../api/routes/computers.ts';
import { DEPLOYMENT_STATES } from '../registry/states/deployment-state.ts';
import { RefusedError } from '../refused-error.ts';
import { listComputers } from '../serve/local-client.ts';
import type { ManagedComputer } from '../serve/managed-computer.ts';
import { type Action, type ActionContext, actionCommand } from './action-command.ts';
import { choiceOption, type CliCommand } from './command.ts';
import { CHANGE_ACTION, STATE_ACTION } from './computer-changes.ts';
import { limitOption } from './limit-option.ts';
import { formatTable, print, printJson, tellDone } from './output.ts';
import { onlyTag } from './tag-option.ts';

const DEFAULT_LIMIT = 100;

export const computersCommand: CliCommand = actionCommand({
  name: 'computers',
  summary: 'list the computers that the server knows; register, change, forget them; list their disks',
  details:
    'A NAME is that of the list, or an id. A computer that has booted our media for the first time is unregistered, and\n' +
    'named by its serial number, else its UUID, else its network card. "disks" is for the machine of "diskferry serve"\n' +
    'alone: sda@NAME is an address there, and nbd+unix:///?socket=SOCKET one for other NBD programs.',
  options: [
    { name: 'state', value: 'STATE', help: `list: only ${DEPLOYMENT_STATES.join(', ')}` },
    {
      name: 'text',
      value: 'WORDS',
      help: 'list: only those with these words in names, notes, serial numbers …',
    },
    { name: 'group', value: 'NAME', help: 'list: only those of a group' },
    {
      name: 'tag',
      value: 'TAG',
      multiple: true,
      help: 'list: only those with a tag; change: the tags, all of them ("" for none)',
    },
    { name: 'limit', value: 'N', help: `list: at most so many (default ${DEFAULT_LIMIT})` },
    { name: 'name', value: 'NEW-NAME', help: 'register: under that name' },
    { name: 'notes', value: 'TEXT', help: 'register, change: the notes' },
  ],
  actions: {
    list: {
      operands: [],
      help: 'the computers that the server knows',
      options: ['state', 'text', 'group', 'tag', 'limit'],
      run: list,
    },
    show: { operands: ['NAME'], help: 'what is known of one', run: show },
    history: { operands: ['NAME'], help: 'what happened to it', run: history },
    register: {
      operands: ['NAME'],
      help: 'say that it belongs here: jobs may work on it',
      options: ['name', 'notes'],
      run: register,
    },
    rename: {
      operands: ['NAME', 'NEW-NAME'],
      help: 'call it otherwise',
      run: async ({ client, words: [id = '', name], invocation }) => {
        const computer = await (await client()).call('changeComputer', { id, body: { name } });
        return tellDone(computer, `${id} is ${computer.name} now`, invocation.flags);
      },
    },
    change: CHANGE_ACTION,
    state: STATE_ACTION,
    forget: {
      operands: ['NAME'],
      help: 'forget it and its history',
      run: async ({ client, words: [id = ''], invocation }) => {
        await (await client()).call('forgetComputer', { id });
        return tellDone({ id, forgotten: true }, `${id} is forgotten`, invocation.flags);
      },
    },
    merge: {
      ...withOther('mergeComputers', 'is one computer with'),
      help: 'both are one computer, which keeps the first name',
    },
    split: {
      ...withOther('splitComputers', 'is another computer than'),
      help: 'they are different computers, and this is not asked again',
    },
    disks: { operands: [], help: 'disks of the connected computers, with their sockets', run: disks },
  },
});

async function list({ client, invocation }: ActionContext): Promise<number> {
  const { values, flags } = invocation;
  const query = {
    state: choiceOption(invocation, 'state', DEPLOYMENT_STATES),
    text: values.get('text'),
    group: values.get('group'),
    tag: onlyTag(invocation),
    limit: limitOption(invocation) ?? DEFAULT_LIMIT,
  };
  const page = await (await client()).call('computers', { query });
  const { computers, total } = page;
  if (flags.has('json')) printJson(page);
  else if (computers.length === 0) print('the server knows no such computer');
  else
    print(
      formatTable([['NAME', 'STATE', 'CONNECTED', 'FROM', 'MODEL', 'LAST SEEN'], ...computers.map(rowOf)]),
    );
  if (!flags.has('json') && total > computers.length)
    print(`${total - computers.length} more; see --limit, --text`);
  return 0;
}

function rowOf({
  name,
  state,
  connected,
  address,
  manufacturer,
  product,
  lastSeen,
  doubts,
}: ApiComputer): string[] {
  const model = [manufacturer, product].filter((part) => part !== undefined).join(' ');
  const doubt = doubts.length === 0 ? '' : ' (doubtful)';
  return [name, `${state}${doubt}`, connected ? 'yes' : 'no', address ?? '', model, lastSeen];
}

async function show({ client, words: [id = ''], invocation }: ActionContext): Promise<number> {
  const computer = await (await client()).call('computer', { id });
  if (invocation.flags.has('json')) printJson(computer);
  else print(describe(computer));
  return 0;
}

function describe(computer: ApiComputerDetails): string {
  const { inventory } = computer;
  const rows: [string, string | undefined][] = [
    ['name', computer.name],
    ['id', computer.id],
    ['state', computer.state],
    ['connected', computer.connected ? 'yes' : 'no'],
    ['address', computer.address],
    ['model', [computer.manufacturer, computer.product].filter(Boolean).join(' ') || undefined],
    ['memory', inventory && formatBytes(inventory.memoryBytes)],
    ...(inventory?.disks ?? []).map(({ name, size, model }): [string, string] => [
      'disk',
      `${name}  ${formatBytes(size)}  ${model ?? ''}`,
    ]),
    ...computer.traits.map(({ kind, value }): [string, string] => [kind, value]),
    ['first seen', computer.firstSeen],
    ['last seen', computer.lastSeen],
    [
      'registered',
      computer.registeredAt && `${computer.registeredAt} by ${computer.registeredBy ?? 'nobody'}`,
    ],
    ['enrolment', computer.enrolment],
    ['groups', computer.groups.join(', ') || undefined],
    ['tags', computer.tags.join(', ') || undefined],
    ['notes', computer.notes || undefined],
    ...computer.doubts.map(({ candidateName, reasons }): [string, string] => [
      'doubtful',
      `may be ${candidateName}: ${reasons.join('; ')}; see merge and split`,
    ]),
  ];
  return formatTable(rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

async function history({ client, words: [id = ''], invocation }: ActionContext): Promise<number> {
  const entries = await (await client()).call('computerHistory', { id });
  if (invocation.flags.has('json')) printJson(entries);
  else print(formatTable(entries.map(({ at, actor, message }) => [at, actor, message])));
  return 0;
}

async function register({ client, words: [id = ''], invocation }: ActionContext): Promise<number> {
  const { values, flags } = invocation;
  const words = ['name', 'notes'].flatMap((name) => {
    const value = values.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const computer = await (await client()).call('registerComputer', { id, body: Object.fromEntries(words) });
  return tellDone(computer, `${computer.name} is registered and ${computer.state}`, flags);
}

function withOther(
  route: Extract<RouteName, 'mergeComputers' | 'splitComputers'>,
  what: string,
): Omit<Action, 'help'> {
  return {
    operands: ['NAME', 'OTHER-NAME'],
    run: async ({ client, words: [id = '', other = ''], invocation }) => {
      const computer = await (await client()).call(route, { id, body: { other } });
      return tellDone(computer ?? { id, other }, `${id} ${what} ${other}`, invocation.flags);
    },
  };
}

/** Needs no API: sockets are of use on this machine only. */
async function disks({ invocation: { flags, values } }: ActionContext): Promise<number> {
  if (values.has('server'))
    throw new UsageError('the sockets of disks are on the machine of the server only');
  const computers = await listComputers();
  if (computers === undefined) {
    throw new RefusedError(
      'SERVE_MISSING',
      'no "diskferry serve" of this user runs on this machine; start it first',
    );
  }
  if (flags.has('json')) printJson(computers);
  else print(computers.length === 0 ? 'no computer is connected' : tableOfDisks(computers));
  return 0;
}

function tableOfDisks(computers: readonly ManagedComputer[]): string {
  const rows = computers.flatMap((computer) => {
    const { name, address, disks } = computer;
    if (disks.length === 0) return [[name, address, 'no disk', '', '']];
    return disks.map((disk) => [
      `${disk.name}@${name}`,
      address,
      formatBytes(disk.size),
      disk.model ?? '',
      disk.socket,
    ]);
  });
  return formatTable([['DISK', 'FROM', 'SIZE', 'MODEL', 'SOCKET'], ...rows], [2]);
}
