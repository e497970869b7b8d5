import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { formatHostAddress, parseHostAddress } from '@diskferry/protocol/disk-address';
import { UsageError } from '@diskferry/system/errors';
import { ApiClient } from '../api-client/api-client.ts';
import { findServer } from '../api-client/find-server.ts';
import { SERVER_PORT } from '../serve/server-port.ts';
import { stateFolder } from '../serve/state-folder.ts';
import { type CliCommand, type Invocation, JSON_OPTION } from './command.ts';
import { type EnrolmentKeeper, keeperInFolder, keeperOfServer } from './enrolment-keeper.ts';
import { formatTable, print, printJson, tellDone } from './output.ts';

export const enrolCommand: CliCommand = {
  name: 'enrol',
  operands: ['[NAME]'],
  summary: 'make a secret that admits computers to "diskferry serve", for boot media; list or revoke them',
  details:
    'Writes the secret and the certificate of the server into a folder, and prints how boot media are made of them.\n' +
    'The server keeps only a digest. Without NAME, the enrolments are listed. The server is that of DISKFERRY_SERVER or of\n' +
    '"diskferry login", else that of this machine, which need not run.',
  options: [
    { name: 'folder', value: 'FOLDER', help: 'where the two files go (default ./diskferry-NAME)' },
    {
      name: 'server',
      value: 'HOST',
      help: `what the computers shall dial, with :PORT unless ${SERVER_PORT} (default: the server that keeps it)`,
    },
    { name: 'revoke', help: 'end the enrolment NAME: computers that it admitted are sent away at once' },
    { name: 'alone', help: 'for the server of this machine, though another one is configured' },
    JSON_OPTION,
  ],
  run: runEnrol,
};

async function runEnrol(invocation: Invocation): Promise<number> {
  const { positionals, flags } = invocation;
  const [name] = positionals;
  if (name === undefined && flags.has('revoke')) {
    throw new UsageError('--revoke takes the NAME of the enrolment');
  }
  const keeper = await findKeeper(invocation);
  if (name === undefined) return list(keeper, flags);
  if (!flags.has('revoke')) return enrol(keeper, name, invocation);
  await keeper.revoke(name);
  return tellDone(
    { name, revoked: true },
    `${name} is revoked; media with its secret are of no use any more`,
    flags,
  );
}

async function findKeeper({ flags, signal }: Invocation): Promise<EnrolmentKeeper> {
  const access = flags.has('alone') ? undefined : await findServer();
  if (access?.kind !== 'https') return keeperInFolder(stateFolder());
  return keeperOfServer(new ApiClient(access, { signal }), access);
}

async function list(keeper: EnrolmentKeeper, flags: ReadonlySet<string>): Promise<number> {
  const all = await keeper.list();
  if (flags.has('json')) printJson(all);
  else if (all.length === 0) print('nobody is enrolled; try: diskferry enrol NAME');
  else print(formatTable([['NAME', 'SINCE'], ...all.map(({ name, created }) => [name, created])]));
  return 0;
}

async function enrol(keeper: EnrolmentKeeper, name: string, { values, flags }: Invocation): Promise<number> {
  const authority = await keeper.authority();
  const server = formatHostAddress(
    parseHostAddress(values.get('server') ?? keeper.address, { defaultPort: SERVER_PORT }),
  );
  const secret = await keeper.create(name);
  const folder = resolve(values.get('folder') ?? `diskferry-${name}`);
  const files = { ca: join(folder, 'ca.pem'), enrolment: join(folder, 'enrolment') };
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(files.enrolment, `${secret}\n`, { flag: 'wx', mode: 0o600 });
    writeFileSync(files.ca, authority);
  } catch (error) {
    // Nobody has the secret, so nobody can use it.
    await keeper.revoke(name);
    throw error;
  }
  return tellDone(
    { name, server, ...files },
    `${name} is enrolled; whoever has the secret or a medium with it can connect a computer. Make media with:\n` +
      `  diskferry media customize dist/diskferry.iso ${name}.iso --server ${server} --ca ${files.ca} --enrolment ${files.enrolment}`,
    flags,
  );
}
