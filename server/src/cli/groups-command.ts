import type { ComputerGroup } from '../registry/groups.ts';
import type { ApiClient } from '../api-client/api-client.ts';
import { RefusedError } from '../refused-error.ts';
import { type Action, type ActionContext, actionCommand } from './action-command.ts';
import type { CliCommand } from './command.ts';
import { formatTable, print, printJson, tellDone } from './output.ts';

/** More computers than one group is good for; as many as one page of the API has. */
const MAX_SHOWN = 1000;

export const groupsCommand: CliCommand = actionCommand({
  name: 'groups',
  summary: "list the server's groups of computers; make and remove them, put computers in",
  details:
    'A group is worked on by "diskferry jobs start KIND --group NAME", and listed by "diskferry computers --group NAME".\n' +
    'Rules put computers into groups when they register them, see diskferry rules.',
  options: [],
  actions: {
    list: { operands: [], help: 'the groups', run: list },
    show: { operands: ['NAME'], help: 'its computers', run: show },
    add: { operands: ['NAME'], help: 'make a group', run: add },
    join: move('addToGroup', 'put computers into it', 'in'),
    leave: move('removeFromGroup', 'take computers out of it', 'not in'),
    remove: { operands: ['NAME'], help: 'delete it; its computers stay', run: remove },
  },
});

async function list({ client, invocation: { flags } }: ActionContext): Promise<number> {
  const all = await (await client()).call('groups');
  if (flags.has('json')) printJson(all);
  else if (all.length === 0) print('there is no group; try: diskferry groups add NAME');
  else
    print(
      formatTable([['NAME', 'COMPUTERS'], ...all.map(({ name, members }) => [name, String(members)])], [1]),
    );
  return 0;
}

async function show({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const group = await findGroup(api, text);
  const { computers } = await api.call('computers', { query: { group: group.name, limit: MAX_SHOWN } });
  if (invocation.flags.has('json')) printJson({ ...group, computers });
  else if (computers.length === 0) print(`${group.name} has no computers; see join`);
  else
    print(
      formatTable([
        ['NAME', 'STATE', 'CONNECTED'],
        ...computers.map(({ name, state, connected }) => [name, state, connected ? 'yes' : 'no']),
      ]),
    );
  return 0;
}

async function add({ client, words: [name], invocation }: ActionContext): Promise<number> {
  const group = await (await client()).call('addGroup', { body: { name } });
  return tellDone(group, `${group.name} is a group; see join`, invocation.flags);
}

function move(route: 'addToGroup' | 'removeFromGroup', help: string, where: string): Action {
  return {
    operands: ['NAME', 'COMPUTER', '[COMPUTER]...'],
    help,
    run: async ({ client, words: [id = '', ...computers], invocation }) => {
      const api = await client();
      await api.call(route, { id, body: { computers } });
      const group = await findGroup(api, id);
      const verb = computers.length === 1 ? 'is' : 'are';
      return tellDone(group, `${computers.join(', ')} ${verb} ${where} ${group.name} now`, invocation.flags);
    },
  };
}

async function remove({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const { id, name } = await findGroup(api, text);
  await api.call('removeGroup', { id });
  return tellDone({ id, name, removed: true }, `the group ${name} is deleted`, invocation.flags);
}

/** As the server, which takes no notice of case. @throws {RefusedError} `GROUP_MISSING` */
async function findGroup(client: ApiClient, text: string): Promise<ComputerGroup> {
  const all = await client.call('groups');
  const found = all.find(({ id, name }) => id === text || name.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found;
  const names = all.map(({ name }) => name).join(', ') || 'none';
  throw new RefusedError('GROUP_MISSING', `${client.name} has no group ${text}; it has: ${names}`);
}
