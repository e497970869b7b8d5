import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { formatHostAddress, parseHostAddress } from '@diskferry/protocol/disk-address';
import { UsageError } from '@diskferry/system/errors';
import { loadOrCreateAuthority } from '../serve/authority.ts';
import type { Enrolments } from '../serve/enrolments.ts';
import { authorityFolder, enrolmentsOf } from '../serve/serve.ts';
import { SERVER_PORT } from '../serve/server-port.ts';
import { stateFolder } from '../serve/state-folder.ts';
import { type CliCommand, type Invocation, JSON_OPTION } from './command.ts';
import { formatTable, print, printJson } from './output.ts';

export const enrolCommand: CliCommand = {
  name: 'enrol',
  operands: ['[NAME]'],
  summary: 'make a secret that admits computers to "diskferry serve", for boot media; list or revoke them',
  details:
    'Writes the secret and the certificate of this server into a folder, and prints how boot media are made of them.\n' +
    'The server keeps only a digest. Without NAME, the enrolments are listed.',
  options: [
    { name: 'folder', value: 'FOLDER', help: 'where the two files go (default ./diskferry-NAME)' },
    {
      name: 'server',
      value: 'HOST',
      help: `what the computers shall dial, with :PORT unless ${SERVER_PORT} (default: this host)`,
    },
    { name: 'revoke', help: 'end the enrolment NAME: computers that it admitted are sent away at once' },
    JSON_OPTION,
  ],
  run: runEnrol,
};

async function runEnrol(invocation: Invocation): Promise<number> {
  const { positionals, flags } = invocation;
  const [name] = positionals;
  const json = flags.has('json');
  const enrolments = enrolmentsOf(stateFolder());
  if (name === undefined) {
    if (flags.has('revoke')) throw new UsageError('--revoke takes the NAME of the enrolment');
    list(enrolments, json);
  } else if (flags.has('revoke')) {
    enrolments.revoke(name);
    if (json) printJson({ name, revoked: true });
    else print(`${name} is revoked; media with its secret are of no use any more`);
  } else {
    await enrol(enrolments, name, invocation);
  }
  return 0;
}

function list(enrolments: Enrolments, json: boolean): void {
  const all = enrolments.list().map(({ name, created }) => ({ name, created }));
  if (json) printJson(all);
  else if (all.length === 0) print('nobody is enrolled; try: diskferry enrol NAME');
  else print(formatTable([['NAME', 'SINCE'], ...all.map(({ name, created }) => [name, created])]));
}

async function enrol(enrolments: Enrolments, name: string, { values, flags }: Invocation): Promise<void> {
  const authority = await loadOrCreateAuthority(authorityFolder(stateFolder()));
  const server = formatHostAddress(
    parseHostAddress(values.get('server') ?? hostname(), { defaultPort: SERVER_PORT }),
  );
  const secret = enrolments.create(name);
  const folder = resolve(values.get('folder') ?? `diskferry-${name}`);
  const files = { ca: join(folder, 'ca.pem'), enrolment: join(folder, 'enrolment') };
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(files.enrolment, `${secret}\n`, { flag: 'wx', mode: 0o600 });
    writeFileSync(files.ca, authority.certificate);
  } catch (error) {
    // Nobody has the secret, so nobody can use it.
    enrolments.revoke(name);
    throw error;
  }
  if (flags.has('json')) {
    printJson({ name, server, ...files });
    return;
  }
  print(
    `${name} is enrolled; whoever has the secret or a medium with it can connect a computer. Make media with:`,
  );
  print(`  npm run boot-image -- --server ${server} --ca ${files.ca} --enrolment ${files.enrolment}`);
}
