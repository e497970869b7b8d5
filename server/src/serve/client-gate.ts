import { createServer, type Server } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { debuglog } from 'node:util';
import { MAX_CONTROL_MESSAGE_BYTES } from '@diskferry/protocol/control';
import { formatHostAddress } from '@diskferry/protocol/disk-address';
import { DiskferryError } from '@diskferry/system/errors';
import type { Identity } from '@diskferry/trust/identity';
import { peerFingerprint } from '@diskferry/trust/secure-context';
import { WebSocketServer } from 'ws';
import type { RequestHandler } from '../api/api.ts';
import type { Channels } from './channels.ts';
import type { AdmittedClient } from './computers.ts';
import type { Enrolment, Enrolments } from './enrolments.ts';

const debug = debuglog('diskferry:serve');

/** Time to agree on TLS, and then to send a request, in ms. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A request of a client has some 500 bytes. */
const MAX_HEADER_BYTES = 8 * 1024;
/** Hundreds of computers with a control channel and a few disks in use each. */
const MAX_CONNECTIONS = 2048;
/** A computer that was switched off is noticed after this silence and some probes, in ms. */
const KEEP_ALIVE_AFTER_MS = 30_000;
const CONTROL_PATH = '/clients/control';
const CHANNEL_PATH = /^\/clients\/channels\/([0-9a-f]{64})$/;
const BEARER = /^Bearer ([!-~]{1,512})$/;

export interface ClientGateOptions {
  /** The server's certificate, issued by the authority that clients know. */
  readonly identity: Identity;
  readonly host?: string | undefined;
  readonly port: number;
  readonly enrolments: Enrolments;
  readonly channels: Channels;
  /** Answers plain requests: those of the API. */
  readonly onRequest: RequestHandler;
  /** Takes a client's control channel. */
  readonly onClient: (client: AdmittedClient) => void;
}

export interface ClientGate {
  readonly port: number;
  close(): Promise<void>;
}

/** Why somebody is not let in. */
class Refusal extends Error {
  readonly status: 400 | 401 | 403 | 404;

  constructor(status: Refusal['status'], message: string) {
    super(message);
    this.status = status;
  }
}

const REASONS = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found' } as const;

/**
 * The one door of a server, HTTPS. Imaging clients use two paths, both of which are upgraded: whoever shows an enrolment
 * secret gets in, and is known from then on by the key of his TLS certificate. All other requests are the API's.
 *
 * @throws {DiskferryError} `LISTEN_FAILED`
 */
export async function startClientGate(options: ClientGateOptions): Promise<ClientGate> {
  const { identity } = options;
  const server = createServer(
    {
      key: identity.key,
      cert: identity.certificate,
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['http/1.1'],
      // Clients sign their certificates themselves: the key is what they are known by, the secret what admits them.
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      headersTimeout: HANDSHAKE_TIMEOUT_MS,
      requestTimeout: HANDSHAKE_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    },
    options.onRequest,
  );
  server.maxConnections = MAX_CONNECTIONS;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_CONTROL_MESSAGE_BYTES });
  const open = new Set<TLSSocket>();
  server.on('secureConnection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', (error) => debug('%s: %s', socket.remoteAddress, error.message));
  });
  server.on('tlsClientError', (error, socket) => debug('%s: %s', socket.remoteAddress, error.message));
  server.on('upgrade', (request, socket, head) => {
    enter(options, sockets, request, socket as TLSSocket, head);
  });
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function enter(
  options: ClientGateOptions,
  sockets: WebSocketServer,
  request: IncomingMessage,
  socket: TLSSocket,
  head: Buffer,
): void {
  const address = addressOf(socket);
  try {
    const enrolment = admit(request, options.enrolments);
    const fingerprint = peerFingerprint(socket);
    if (fingerprint === undefined) throw new Refusal(403, 'A client shows a certificate of its own.');
    const upgrade = request.headers.upgrade?.toLowerCase();
    const channel = CHANNEL_PATH.exec(request.url ?? '')?.[1];
    if (request.url === CONTROL_PATH && upgrade === 'websocket') {
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        options.onClient({ socket: webSocket, fingerprint, enrolment, address });
      });
    } else if (channel !== undefined && upgrade === 'nbd') {
      openChannel(options.channels, { channel, fingerprint, socket, head });
    } else {
      throw new Refusal(404, 'There is nothing of this name.');
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    debug('%s refused: %s', address, error.message);
    refuse(socket, error);
  }
}

function admit({ headers: { authorization = '' } }: IncomingMessage, enrolments: Enrolments): Enrolment {
  const secret = BEARER.exec(authorization)?.[1];
  const enrolment = secret === undefined ? undefined : enrolments.admit(secret);
  if (enrolment === undefined) throw new Refusal(401, 'This enrolment secret is unknown or was revoked.');
  return enrolment;
}

interface DialledChannel {
  readonly channel: string;
  readonly fingerprint: string;
  readonly socket: TLSSocket;
  readonly head: Buffer;
}

function openChannel(channels: Channels, { channel, fingerprint, socket, head }: DialledChannel): void {
  const accept = channels.claim(channel, fingerprint);
  if (accept === undefined) throw new Refusal(404, 'Nobody waits for this channel.');
  if (head.length > 0) socket.unshift(head);
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: nbd\r\n\r\n');
  accept(socket);
}

function refuse(socket: TLSSocket, { status, message }: Refusal): void {
  const body = `${message}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${REASONS[status]}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

/** IPv4 addresses come as "::ffff:10.0.2.2" from a socket that serves both protocols. */
function addressOf({ remoteAddress = 'unknown' }: TLSSocket): string {
  return remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
}

async function listen(server: Server, { host, port }: ClientGateOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const where = host === undefined ? `port ${port}` : formatHostAddress({ host, port });
      const message = `cannot listen on ${where}: ${error.message}; choose another port with --port`;
      reject(new DiskferryError('LISTEN_FAILED', message, { cause: error }));
    });
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => resolve());
  });
  // From here on an error concerns one connection that could not be accepted, such as EMFILE.
  server.on('error', (error) => debug('cannot accept a connection: %s', error.message));
}
