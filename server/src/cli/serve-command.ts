import { once } from 'node:events';
import { hostname } from 'node:os';
import { UsageError } from '@diskferry/system/errors';
import { enrolmentsOf, startServer } from '../serve/serve.ts';
import { computersFolder, runFolder } from '../serve/run-folder.ts';
import { SERVER_PORT } from '../serve/server-port.ts';
import { stateFolder } from '../serve/state-folder.ts';
import type { CliCommand, Invocation } from './command.ts';
import { printNote } from './output.ts';

const MAX_PORT = 65_535;

export const serveCommand: CliCommand = {
  name: 'serve',
  operands: [],
  summary: 'let computers with media of this server dial in, and offer their disks as unix sockets',
  details:
    'Runs until it is interrupted. Media are made with the files that "diskferry enrol NAME" writes; the computers\n' +
    'that start from them listen nowhere and may be behind NAT. "diskferry computers" lists them and the sockets of\n' +
    'their disks, which any NBD program can read: qemu-img info nbd+unix:///?socket=PATH',
  options: [
    {
      name: 'host',
      value: 'NAMES',
      help: 'names and addresses of this machine that it does not know, with commas between',
    },
    { name: 'listen', value: 'ADDRESS', help: 'listen on this address only (default: all)' },
    { name: 'port', value: 'N', help: `port that the computers dial (default ${SERVER_PORT})` },
  ],
  run: runServe,
};

async function runServe({ values, signal }: Invocation): Promise<number> {
  const server = await startServer({
    stateFolder: stateFolder(),
    runFolder: runFolder(),
    listen: values.get('listen'),
    port: portOption(values.get('port')),
    hosts: (values.get('host') ?? '').split(',').filter((name) => name !== ''),
    log: printNote,
  });
  printNote(`computers dial port ${server.port}; this server is known as ${server.hosts.join(', ')}`);
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

/** 0 lets the kernel choose. */
function portOption(text: string | undefined): number {
  if (text === undefined) return SERVER_PORT;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > MAX_PORT)
    throw new UsageError(`--port takes a number from 0 to ${MAX_PORT}, not "${text}"`);
  return port;
}
