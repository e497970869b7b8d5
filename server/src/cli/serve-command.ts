import { once } from 'node:events';
import { hostname } from 'node:os';
import { UsageError } from '@diskferry/system/errors';
import { enrolmentsOf, startServer } from '../serve/serve.ts';
import { computersFolder, runFolder } from '../serve/run-folder.ts';
import { SERVER_PORT } from '../serve/server-port.ts';
import { stateFolder } from '../serve/state-folder.ts';
import {
  LOG_LEVELS,
  readServerSettings,
  type ServerSettings,
  SETTINGS_PATH,
} from '../settings/server-settings.ts';
import { choiceOption, type CliCommand, type Invocation } from './command.ts';
import { printNote } from './output.ts';

const MAX_PORT = 65_535;

export const serveCommand: CliCommand = {
  name: 'serve',
  operands: [],
  summary: 'run the imaging server: computers dial in, their disks are unix sockets, and the API answers',
  details:
    'Runs until it is interrupted. Media are made with the files that "diskferry enrol NAME" writes; the computers\n' +
    'that start from them listen nowhere and may be behind NAT. "diskferry computers disks" lists the sockets of\n' +
    'their disks, which any NBD program can read: qemu-img info nbd+unix:///?socket=PATH\n\n' +
    'The API (HTTPS, /api/v1, described by /api/openapi.json) needs a token; the first start makes one for the user\n' +
    '"admin" and prints it once. Programs of root on this machine need none on the socket serve.sock.',
  options: [
    {
      name: 'settings',
      value: 'FILE',
      help: `settings of the server (default ${SETTINGS_PATH}, if it is there)`,
    },
    {
      name: 'host',
      value: 'NAMES',
      help: 'names and addresses of this machine that it does not know, with commas between',
    },
    { name: 'listen', value: 'ADDRESS', help: 'listen on this address only (default: all)' },
    { name: 'port', value: 'N', help: `port for computers and the API (default ${SERVER_PORT})` },
    {
      name: 'database',
      value: 'URL',
      help: 'sqlite:PATH or postgresql://USER@HOST/NAME (default: a file of SQLite)',
    },
    {
      name: 'pxe',
      value: 'IF',
      help: 'let the machines of this network interface boot our client, as "pxe serve --registry" does',
    },
    { name: 'log-level', value: 'LEVEL', help: `${LOG_LEVELS.join(', ')} (default info)` },
  ],
  run: runServe,
};

async function runServe(invocation: Invocation): Promise<number> {
  const { signal } = invocation;
  const settings = settingsOf(invocation);
  const server = await startServer({
    settings,
    stateFolder: stateFolder(),
    runFolder: runFolder(),
    log: (level, line) => {
      if (LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(settings.logLevel)) printNote(line);
    },
  });
  if (server.firstToken !== undefined) {
    printNote(`the token of the administrator "admin", shown now and never again: ${server.firstToken}`);
  }
  printNote(`computers dial port ${server.port}; this server is known as ${server.hosts.join(', ')}`);
  printNote(`the API answers at https://${server.hosts[0] ?? hostname()}:${server.port}/api/v1/`);
  printNote(`the sockets of their disks appear in ${computersFolder()}`);
  if (enrolmentsOf(stateFolder()).list().length === 0) {
    printNote(
      `nobody is enrolled yet; for boot media: diskferry enrol NAME --server ${hostname()}:${server.port}`,
    );
  }
  if (!signal.aborted) await once(signal, 'abort');
  await server.close();
  return 0;
}

/** The settings file, and over it what the command line says. */
function settingsOf(invocation: Invocation): ServerSettings {
  const { values } = invocation;
  const file = readServerSettings(values.get('settings'), stateFolder());
  const pxe = values.get('pxe');
  const hosts = (values.get('host') ?? '').split(',').filter((name) => name !== '');
  return {
    ...file,
    database: values.get('database') ?? file.database,
    listen: values.get('listen') ?? file.listen,
    port: portOption(values.get('port')) ?? file.port,
    hosts: [...hosts, ...file.hosts],
    logLevel: choiceOption(invocation, 'log-level', LOG_LEVELS) ?? file.logLevel,
    pxe: pxe === undefined ? file.pxe : { ...file.pxe, interface: pxe },
  };
}

/** 0 lets the kernel choose. */
function portOption(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > MAX_PORT)
    throw new UsageError(`--port takes a number from 0 to ${MAX_PORT}, not "${text}"`);
  return port;
}
