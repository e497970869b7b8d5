import { ROLES, SCOPES } from '../access/permissions.ts';
import type { ApiClient } from '../api-client/api-client.ts';
import type { ApiToken, ApiUser } from '../api/routes/access.ts';
import { RefusedError } from '../refused-error.ts';
import { type ActionContext, actionCommand } from './action-command.ts';
import { type CliCommand, choiceOption } from './command.ts';
import { formatTable, print, printJson, tellDone } from './output.ts';

export const usersCommand: CliCommand = actionCommand({
  name: 'users',
  summary: "list the server's users and their tokens; make and revoke them",
  details:
    `A ROLE is ${ROLES.join(', ')}. The text of a token is shown once, by "users token"; who has it logs in by\n` +
    `"diskferry login URL". Scopes: ${SCOPES.slice(0, 4).join(', ')} and so on.`,
  options: [
    { name: 'role', value: 'ROLE', help: 'token: less than that of its user' },
    {
      name: 'scope',
      value: 'SCOPE',
      multiple: true,
      help: 'token: only that, such as jobs:write; may be repeated',
    },
    { name: 'expires', value: 'TIME', help: 'token: valid until then, such as 2027-12-31T00:00:00Z' },
  ],
  actions: {
    list: { operands: [], help: 'the users', run: list },
    add: { operands: ['NAME', 'ROLE'], help: 'make a user, who needs a token yet', run: add },
    role: { operands: ['NAME', 'ROLE'], help: 'give a user another role', run: changeRole },
    remove: { operands: ['NAME'], help: 'delete a user with all tokens', run: remove },
    tokens: { operands: ['NAME'], help: 'the tokens of a user, without their secrets', run: tokens },
    token: {
      operands: ['NAME', 'TOKEN-NAME'],
      help: 'make a token, such as one for each program or computer that asks',
      options: ['role', 'scope', 'expires'],
      run: makeToken,
    },
    revoke: { operands: ['NAME', 'TOKEN-NAME'], help: 'end a token at once', run: revoke },
  },
});

async function list({ client, invocation: { flags } }: ActionContext): Promise<number> {
  const users = await (await client()).call('users');
  if (flags.has('json')) printJson(users);
  else
    print(
      formatTable([
        ['NAME', 'ROLE', 'SINCE'],
        ...users.map(({ name, role, createdAt }) => [name, role, createdAt]),
      ]),
    );
  return 0;
}

async function add({ client, words: [name, role], invocation: { flags } }: ActionContext): Promise<number> {
  const user = await (await client()).call('addUser', { body: { name, role } });
  return tellDone(
    user,
    `${user.name} is a user, role ${user.role}; next: diskferry users token ${user.name} NAME`,
    flags,
  );
}

async function changeRole({ client, words: [text = '', role], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const { id } = await findUser(api, text);
  const user = await api.call('changeUser', { id, body: { role } });
  return tellDone(user, `${user.name} has the role ${user.role} now`, invocation.flags);
}

async function remove({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const user = await api.call('removeUser', { id: (await findUser(api, text)).id });
  return tellDone(user, `${user.name} is deleted, with all tokens`, invocation.flags);
}

async function tokens({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const found = await api.call('tokens', { id: (await findUser(api, text)).id });
  if (invocation.flags.has('json')) printJson(found);
  else if (found.length === 0) print(`${text} has no token; try: diskferry users token ${text} NAME`);
  else print(formatTable([['NAME', 'ROLE', 'SCOPES', 'VALID', 'LAST USED'], ...found.map(rowOf)]));
  return 0;
}

function rowOf({ name, role, scopes, expiresAt, revokedAt, lastUsedAt }: ApiToken): string[] {
  const valid =
    revokedAt === undefined ? (expiresAt === undefined ? 'yes' : `until ${expiresAt}`) : 'revoked';
  return [name, role, scopes?.join(',') ?? 'all', valid, lastUsedAt ?? 'never'];
}

async function makeToken({ client, words: [text = '', name], invocation }: ActionContext): Promise<number> {
  const { values, lists, flags } = invocation;
  const api = await client();
  const { id } = await findUser(api, text);
  const body = {
    name,
    role: choiceOption(invocation, 'role', ROLES),
    scopes: lists.get('scope'),
    expiresAt: values.get('expires'),
  };
  const shown = await api.call('addToken', { id, body });
  return tellDone(shown, shown.text, flags);
}

async function revoke({ client, words: [text = '', name], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const all = await api.call('tokens', { id: (await findUser(api, text)).id });
  const found = all.find((token) => token.name === name || token.id === name);
  if (found === undefined) {
    const names = all.map((token) => token.name).join(', ') || 'none';
    throw new RefusedError('TOKEN_MISSING', `${text} has no token ${name}; there are: ${names}`);
  }
  const token = await api.call('revokeToken', { id: found.id });
  return tellDone(token, `the token ${token.name} of ${text} is revoked`, invocation.flags);
}

/** @throws {RefusedError} `USER_MISSING` */
async function findUser(client: ApiClient, text: string): Promise<ApiUser> {
  const all = await client.call('users');
  const found = all.find(({ id, name }) => id === text || name === text);
  if (found !== undefined) return found;
  const names = all.map(({ name }) => name).join(', ');
  throw new RefusedError('USER_MISSING', `${client.name} has no user ${text}; it has: ${names}`);
}
