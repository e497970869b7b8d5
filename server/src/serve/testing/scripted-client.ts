import { once } from 'node:events';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { helloMessage, type ServerMessage } from '@diskferry/protocol/control';
import type { Inventory } from '@diskferry/protocol/inventory';
import type { Identity } from '@diskferry/trust/identity';
import { secureOptionsOf } from '@diskferry/trust/secure-context';
import { WebSocket } from 'ws';

/** Far more than any test needs; a test that waits so long has failed. */
const BOUND_MS = 60_000;
const REFUSED = 'refused with status';

export interface Door {
  readonly port: number;
  /** The certificate that vouches for the server. */
  readonly authority: string;
}

export interface Credentials {
  readonly secret?: string;
  readonly identity?: Identity;
}

/** A message of the server that the test answers. */
export type Answer = (message: ServerMessage) => object | undefined | Promise<object | undefined>;

/** An imaging client that does just what a test wants. */
export interface ScriptedClient {
  readonly socket: WebSocket;
  /** Why the server closed the connection. */
  readonly ended: Promise<string>;
  close(): void;
}

/** What a computer of that serial number with these disks says of itself. */
export function inventoryOf(serial: string, ...disks: string[]): Inventory {
  return {
    computer: { firmware: 'bios', serial },
    processors: { model: 'any', sockets: 1, cores: 1, threads: 1 },
    memoryBytes: 1,
    nics: [],
    disks: disks.map((name) => ({
      name,
      size: 4096,
      sectorSize: { logical: 512, physical: 512 },
      transport: 'virtio',
      removable: false,
      readOnly: false,
    })),
  };
}

/** Dials the control channel and answers with `answer`. Rejects with the HTTP status of a refusal. */
export async function dialControl(
  door: Door,
  credentials: Credentials,
  answer: Answer,
): Promise<ScriptedClient> {
  const socket = new WebSocket(`wss://127.0.0.1:${door.port}/clients/control`, options(door, credentials));
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as ServerMessage;
    void Promise.resolve(answer(message)).then(
      (reply) => reply !== undefined && socket.send(JSON.stringify({ id: message.id, ...reply })),
    );
  });
  const ended = new Promise<string>((resolve) => {
    socket.on('close', (_, reason) => resolve(String(reason)));
  });
  socket.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    socket.on('open', () => resolve());
    socket.on('unexpected-response', (_, { statusCode }) => reject(new Error(`${REFUSED} ${statusCode}`)));
  });
  socket.send(JSON.stringify(helloMessage('0.1.0')));
  return { socket, ended, close: () => socket.terminate() };
}

/** Dials a channel. Rejects with the HTTP status of a refusal. */
export async function dialChannel(
  door: Door,
  credentials: Credentials,
  { channel, upgrade = 'nbd' }: { readonly channel: string; readonly upgrade?: string },
): Promise<Duplex> {
  const { headers, ...secure } = options(door, credentials);
  const outgoing = request({
    ...secure,
    host: '127.0.0.1',
    port: door.port,
    path: `/clients/channels/${channel}`,
    headers: { ...headers, connection: 'Upgrade', upgrade },
    agent: false,
  });
  outgoing.end();
  const signal = AbortSignal.timeout(BOUND_MS);
  return await Promise.race([
    once(outgoing, 'upgrade', { signal }).then(([, socket]) => {
      // A server that ends may reset what is still open then.
      return (socket as Duplex).on('error', () => {});
    }),
    once(outgoing, 'response', { signal }).then(([response]) => {
      outgoing.destroy();
      throw new Error(`${REFUSED} ${(response as { statusCode: number }).statusCode}`);
    }),
  ]);
}

function options({ authority }: Door, { secret, identity }: Credentials) {
  return {
    ca: authority,
    ...(identity === undefined ? {} : secureOptionsOf(identity)),
    headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
  };
}
