import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '@diskferry/system/errors';
import { RefusedError } from '../refused-error.ts';
import type { MachineFacts, Ruling } from './boot-decision.ts';
import type { BootDesk } from './boot-desk.ts';
import { type BootFiles, readServedFile, type ServedFile, servedFile } from './boot-files.ts';
import type { BootEvent } from './boot-log.ts';
import { askingScript, bootScript, localScript, refusalScript } from './ipxe-scripts.ts';
import type { Loader } from './loaders.ts';
import { readMachineFacts } from './machine-facts.ts';
import type { WireInterface } from './wire-interface.ts';

export interface BootServerOptions {
  readonly wire: WireInterface;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly desk: BootDesk;
  readonly loaders: readonly Loader[];
  /** Further words of the kernel command line. */
  readonly kernelWords: string;
  readonly onEvent: (event: BootEvent) => void;
  readonly onNote: (text: string) => void;
}

export interface BootServer {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

interface Request {
  readonly url: URL;
  readonly message: IncomingMessage;
  readonly reply: ServerResponse;
  /** Of the machine that asks. */
  readonly address: string;
}

/** A machine that takes nothing for so long is gone, in ms. */
const SILENCE_MS = 60_000;
const FORBIDDEN = 403;
const MISSING = 404;
const METHOD_REFUSED = 405;
const BAD_REQUEST = 400;
const FAILED = 500;

/**
 * Serves scripts, kernel and initrd over HTTP to the machines of one interface.
 *
 * @throws {RefusedError} `PORT_IN_USE`
 */
export async function startBootServer(options: BootServerOptions): Promise<BootServer> {
  const { wire, port, onNote } = options;
  const server = createServer((message, reply) => {
    void (async () => {
      const { remoteAddress = '' } = message.socket;
      const url = new URL(message.url ?? '/', urlOf(server));
      await answer({ url, message, reply, address: remoteAddress }, options);
    })().catch((error: unknown) => {
      // A machine that was switched off while it loaded is no matter.
      if (message.socket.destroyed) return;
      onNote(`${message.method} ${message.url}: ${messageOf(error)}`);
      if (reply.headersSent) reply.destroy();
      else fail(reply, FAILED);
    });
  });
  server.setTimeout(SILENCE_MS);
  // Listening on the interface's address is not enough: Linux takes packets for it from every other interface too.
  server.on('connection', (socket) => {
    if (!wire.contains(socket.remoteAddress ?? '')) socket.destroy();
  });
  await listening(server, wire.address, port);
  server.on('error', (error) => onNote(`TCP port ${portOf(server)}: ${error.message}`));
  return {
    url: urlOf(server),
    port: portOf(server),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(request: Request, options: BootServerOptions): Promise<void> {
  const { url, message, reply, address } = request;
  if (message.method !== 'GET' && message.method !== 'HEAD') return fail(reply, METHOD_REFUSED);
  const [, place = '', name = '', file = ''] = url.pathname.split('/');
  if (url.pathname === '/ipxe') return sendScript(request, askingScript(url.origin));
  if (url.pathname === '/machine') return answerMachine(request, options);
  if (place === 'loader') return sendLoader(request, name, options);
  if (place !== 'boot') return fail(reply, MISSING);
  const files = options.desk.filesFor(name, address);
  if (files === undefined) return fail(reply, FORBIDDEN);
  return sendBootFile(request, files, { pass: name, file }, options.desk);
}

async function answerMachine(request: Request, { desk, kernelWords }: BootServerOptions): Promise<void> {
  const { url, reply, address } = request;
  // iPXE leaves a plus sign as it is, which would be read as a blank.
  const question = new URLSearchParams(url.search.replaceAll('+', '%2B'));
  const machine = readMachineFacts(question, address);
  if (machine === undefined) return fail(reply, BAD_REQUEST);
  const ruling = await desk.ask(machine);
  const pass = (): string => `${url.origin}/boot/${desk.admit(machine)}`;
  sendScript(request, scriptFor(ruling, machine, { httpUrl: url.origin, pass, kernelWords }));
}

function scriptFor(
  { decision }: Ruling,
  { mac }: MachineFacts,
  {
    httpUrl,
    pass,
    kernelWords,
  }: { readonly httpUrl: string; readonly pass: () => string; readonly kernelWords: string },
): string {
  switch (decision) {
    case 'boot':
      return bootScript({ httpUrl, filesUrl: pass(), kernelWords });
    case 'local':
      return localScript();
    case 'refuse':
    // The DHCP side does not answer it, but who has the address of this server can ask.
    case 'ignore':
      return refusalScript(mac);
  }
}

async function sendLoader(
  request: Request,
  name: string,
  { loaders, onEvent }: BootServerOptions,
): Promise<void> {
  const loader = loaders.find(({ by, path }) => by === 'http' && basename(path) === name);
  if (loader === undefined) return fail(request.reply, MISSING);
  const complete = await sendFile(request, servedFile([loader.path]));
  if (complete) onEvent({ event: 'loader', address: request.address, file: name, by: 'http' });
}

async function sendBootFile(
  request: Request,
  { kernel, initrd }: BootFiles,
  { pass, file }: { readonly pass: string; readonly file: string },
  desk: BootDesk,
): Promise<void> {
  if (file === 'vmlinuz') await sendFile(request, kernel);
  else if (file !== 'initrd') fail(request.reply, MISSING);
  else if (await sendFile(request, initrd)) await desk.loaded(pass, request.address);
}

function sendScript({ reply, message }: Request, text: string): void {
  reply.writeHead(200, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  reply.end(message.method === 'HEAD' ? undefined : text);
}

/** Returns whether the machine has got all of it. */
async function sendFile({ message, reply }: Request, file: ServedFile): Promise<boolean> {
  // UEFI wants to know the size before it loads.
  reply.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': file.bytes });
  if (message.method === 'HEAD') {
    reply.end();
    return false;
  }
  await pipeline(readServedFile(file), reply);
  return true;
}

function fail(reply: ServerResponse, code: number): void {
  reply.writeHead(code, { 'content-length': 0 });
  reply.end();
}

async function listening(server: Server, address: string, port: number): Promise<void> {
  server.listen(port, address);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new RefusedError(
      'PORT_IN_USE',
      `TCP port ${port} of ${address} cannot be used: ${messageOf(cause)}; choose another one by --http-port`,
      { cause },
    );
  }
}

function urlOf(server: Server): string {
  return `http://${(server.address() as AddressInfo).address}:${portOf(server)}`;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
