import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { MAX_CONTROL_MESSAGE_BYTES } from '@diskferry/protocol/control';
import { formatHostAddress } from '@diskferry/protocol/disk-address';
import type { Identity } from '@diskferry/trust/identity';
import { secureOptionsOf } from '@diskferry/trust/secure-context';
import { WebSocket } from 'ws';
import { DialError, dialFailure, refusedBy } from './dial-error.ts';
import type { ManagedSettings } from './managed-settings.ts';

/** To connect, agree on TLS and get the answer, in ms. */
const DIAL_TIMEOUT_MS = 10_000;
const SWITCHING_PROTOCOLS = 101;

/** How this computer shows itself to its server. */
export interface Dialler {
  readonly settings: ManagedSettings;
  readonly identity: Identity;
  readonly signal: AbortSignal;
  readonly dialTimeoutMs?: number;
}

/**
 * Dials the server's control channel. Messages may come at once: add listeners before anything is awaited.
 *
 * @throws {DialError}
 */
export async function dialControl(dialler: Dialler, onOpen: (socket: WebSocket) => void): Promise<void> {
  const { settings, signal, dialTimeoutMs = DIAL_TIMEOUT_MS } = dialler;
  signal.throwIfAborted();
  const socket = new WebSocket(`wss://${formatHostAddress(settings.server)}/clients/control`, {
    ...secureOptions(dialler),
    maxPayload: MAX_CONTROL_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  const stop = (): void => socket.terminate();
  signal.addEventListener('abort', stop);
  const { promise: tooLate, reject: giveUp } = Promise.withResolvers<never>();
  const timer = setTimeout(() => giveUp(dialFailure(settings.server, noAnswer())), dialTimeoutMs);
  try {
    const opened = new Promise<void>((resolve, reject) => {
      socket.on('error', (error) => reject(dialFailure(settings.server, error)));
      socket.on('unexpected-response', (outgoing, { statusCode }) => {
        outgoing.destroy();
        reject(refusedBy(settings.server, statusCode));
      });
      socket.on('open', () => {
        onOpen(socket);
        resolve();
      });
    });
    await Promise.race([opened, tooLate]);
  } catch (error) {
    socket.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/**
 * Dials a channel that the server has asked for: after the answer, a stream of bytes.
 *
 * @throws {DialError}
 */
export function dialChannel(dialler: Dialler, channel: string): Promise<Duplex> {
  const { settings, signal, dialTimeoutMs = DIAL_TIMEOUT_MS } = dialler;
  const { server } = settings;
  const { headers, ...secure } = secureOptions(dialler);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...secure,
      host: server.host,
      port: server.port,
      path: `/clients/channels/${encodeURIComponent(channel)}`,
      headers: { ...headers, connection: 'Upgrade', upgrade: 'nbd' },
      // A connection of its own, which nobody uses again.
      agent: false,
    });
    // Not as an option: it would end the channel later, too.
    const stop = (): void => void outgoing.destroy(signal.reason as Error);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const timer = setTimeout(() => outgoing.destroy(noAnswer()), dialTimeoutMs);
    outgoing.on('error', (error) => reject(dialFailure(server, error)));
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    };
    outgoing.on('close', done);
    outgoing.on('response', (response) => {
      outgoing.destroy();
      reject(refusedBy(server, response.statusCode));
    });
    outgoing.on('upgrade', ({ statusCode, headers: { upgrade } }, socket, head) => {
      done();
      if (statusCode !== SWITCHING_PROTOCOLS || upgrade?.toLowerCase() !== 'nbd') {
        socket.destroy();
        reject(new DialError(`${formatHostAddress(server)} answers with another protocol than NBD`));
        return;
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    outgoing.end();
  });
}

function noAnswer(): NodeJS.ErrnoException {
  return Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
}

/** Only the authority of the medium vouches for the server, whatever else this system trusts. */
function secureOptions({ settings, identity }: Dialler) {
  return {
    ...secureOptionsOf(identity),
    ca: settings.authority,
    ALPNProtocols: ['http/1.1'],
    headers: { authorization: `Bearer ${settings.secret}` },
  };
}
