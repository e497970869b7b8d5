import { createServer, type Server } from 'node:http';
import { debuglog } from 'node:util';
import {
  type ClientMessage,
  ControlError,
  errorMessage,
  helloMessage,
  MAX_CONTROL_MESSAGE_BYTES,
  parseServerMessage,
  serialiseControlMessage,
  type ServerMessage,
} from '@diskferry/protocol/control';
import type { Inventory } from '@diskferry/protocol/inventory';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { listen } from '../server/listen.ts';

const debug = debuglog('diskferry:control');

/** A server that answers no ping for one such interval is gone, in ms. */
const PING_INTERVAL_MS = 30_000;
/** Enough for a server, its console and a person who looks; more is a mistake. */
const MAX_CONNECTIONS = 16;
/** A server that asks but does not read is cut off when so many bytes wait for it. */
const MAX_UNSENT_BYTES = 4 * MAX_CONTROL_MESSAGE_BYTES;

export interface ControlServerOptions {
  readonly port: number;
  readonly host?: string | undefined;
  /** Version of the imaging client. */
  readonly version: string;
  readonly readInventory: () => Inventory;
  readonly pingIntervalMs?: number;
}

export interface ControlServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves the control channel: WebSocket text messages as in the protocol package. A message that is wrong is
 * answered with an error and the connection stays.
 *
 * @throws {ListenError}
 */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { pingIntervalMs = PING_INTERVAL_MS } = options;
  const http = createServer((_, response) => {
    // A person who points a browser at the port gets a sentence.
    response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'close' });
    response.end('This is the control channel of an imaging client; it speaks WebSocket.\n');
  });
  http.maxConnections = MAX_CONNECTIONS;
  const sockets = new WebSocketServer({ server: http, maxPayload: MAX_CONTROL_MESSAGE_BYTES });
  sockets.on('connection', (socket) => serve(socket, options));
  sockets.on('error', (error) => debug('%s', error.message));
  const port = await listen(http, { ...options, option: '--control-port' });
  const pinging = setInterval(() => pingAll(sockets.clients), pingIntervalMs).unref();
  return {
    port,
    close: async () => {
      clearInterval(pinging);
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      await closeServer(http);
    },
  };
}

function serve(socket: WebSocket, options: ControlServerOptions): void {
  alive.add(socket);
  socket.on('pong', () => alive.add(socket));
  // ws closes the connection itself, for example with 1009 after a message over the limit.
  socket.on('error', (error) => debug('connection ended: %s', error.message));
  socket.on('message', (data) => send(socket, answer(data, options)));
  send(socket, helloMessage(options.version));
}

/** Those that answered the last ping. */
const alive = new WeakSet<WebSocket>();

function pingAll(sockets: ReadonlySet<WebSocket>): void {
  for (const socket of sockets) {
    if (!alive.delete(socket)) socket.terminate();
    else socket.ping();
  }
}

function answer(data: RawData, options: ControlServerOptions): ClientMessage | undefined {
  try {
    return answerMessage(parseServerMessage(bytesOf(data)), options);
  } catch (error) {
    if (error instanceof ControlError) return errorMessage(error);
    throw error;
  }
}

function answerMessage(
  message: ServerMessage,
  { readInventory }: ControlServerOptions,
): ClientMessage | undefined {
  switch (message.type) {
    case 'get-inventory':
      return inventoryMessage(message.id, readInventory);
    case 'error':
      debug('the server reports %s: %s', message.code, message.message);
      return undefined;
  }
}

function inventoryMessage(id: number, readInventory: () => Inventory): ClientMessage {
  try {
    return { type: 'inventory', id, inventory: readInventory() };
  } catch (error) {
    const message = `the inventory cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return { type: 'error', id, code: 'INVENTORY_FAILED', message };
  }
}

function send(socket: WebSocket, message: ClientMessage | undefined): void {
  if (message === undefined) return;
  if (socket.bufferedAmount > MAX_UNSENT_BYTES) socket.terminate();
  else socket.send(serialiseControlMessage(message));
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
