import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import { debuglog } from 'node:util';
import { MAX_SERVER_MESSAGE_BYTES } from '@diskferry/protocol/control';
import { WebSocketServer } from 'ws';
import type { AccessTls, PeerConnection } from '../access/access.ts';
import { listen, peerAddress } from '../server/listen.ts';
import { type ControlChannelOptions, serveControlChannel } from './control-channel.ts';

const debug = debuglog('diskferry:control');

/** One for each disk that is written, a console, and people who look; more is a mistake or an attack. */
const MAX_CONNECTIONS = 64;
/** For a TLS handshake, and for the headers of a request, in ms. */
const HANDSHAKE_LIMIT_MS = 10_000;

export interface ControlServerOptions extends ControlChannelOptions {
  readonly port: number;
  readonly host?: string | undefined;
}

export interface ControlServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Listens for servers that want to talk: WebSocket text messages as in the protocol package, over TLS if access says so.
 *
 * @throws {ListenError}
 */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const http = createHttpServer(options.access.tls, (_, response) => {
    // A person who points a browser at the port gets a sentence.
    response.writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket', connection: 'close' });
    response.end('This is the control channel of an imaging client; it speaks WebSocket.\n');
  });
  http.maxConnections = MAX_CONNECTIONS;
  const sockets = new WebSocketServer({
    server: http,
    maxPayload: MAX_SERVER_MESSAGE_BYTES,
    // One message at a time: otherwise hundreds that arrive together are all answered before the first answer is counted.
    allowSynchronousEvents: false,
  });
  sockets.on('connection', (socket, request) => serveControlChannel(socket, connectionOf(request), options));
  sockets.on('error', (error) => debug('%s', error.message));
  const port = await listen(http, { ...options, option: '--control-port' });
  return {
    port,
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      await closeServer(http);
    },
  };
}

function createHttpServer(tls: AccessTls | undefined, onRequest: RequestListener): Server {
  if (tls === undefined) return createServer({ headersTimeout: HANDSHAKE_LIMIT_MS }, onRequest);
  const server = createSecureServer(
    {
      ...tls.options,
      requestCert: true,
      // A key that is not known is let in, to pair.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_LIMIT_MS,
      headersTimeout: HANDSHAKE_LIMIT_MS,
    },
    onRequest,
  );
  server.on('tlsClientError', (error) => debug('TLS handshake: %s', error.message));
  return server;
}

function connectionOf({ socket }: IncomingMessage): PeerConnection {
  return { secured: socket instanceof TLSSocket ? socket : undefined, address: peerAddress(socket) };
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
