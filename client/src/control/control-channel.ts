import { debuglog } from 'node:util';
import {
  type ClientMessage,
  ControlError,
  errorMessage,
  type GrantWriteMessage,
  helloMessage,
  type LeaveMessage,
  type OpenChannelMessage,
  parseServerMessage,
  serialiseControlMessage,
  type ServerMessage,
} from '@diskferry/protocol/control';
import type { Inventory } from '@diskferry/protocol/inventory';
import { TrustError } from '@diskferry/trust/trust-error';
import { type RawData, WebSocket } from 'ws';
import type { Access, PeerConnection } from '../access/access.ts';
import { AccessError } from '../access/peer.ts';
import type { DiskList } from '../disks/disk-list.ts';
import type { Departure } from '../leave/departure.ts';
import { LeaveError } from '../leave/leave-error.ts';
import { PairingConversation } from './pairing-conversation.ts';

const debug = debuglog('diskferry:control');

/** A server that answers no ping for one such interval is gone, in ms. */
const PING_INTERVAL_MS = 30_000;
/** Who has not paired by then is cut off, so that strangers do not take all connections, in ms. */
const STRANGER_LIMIT_MS = 60_000;
/** Who asks but does not read is cut off when so many bytes wait: all connections together must not fill the memory. */
const MAX_UNSENT_BYTES = 256 * 1024;
/** Of a message, in characters. */
const TRACED_LENGTH = 200;

export interface ControlChannelOptions {
  /** Version of the imaging client. */
  readonly version: string;
  readonly readInventory: () => Inventory;
  readonly listDisks: DiskList;
  readonly access: Access;
  /** Dials the server for one NBD session; absent where the server dials. */
  readonly openChannel?: (message: OpenChannelMessage) => Promise<void>;
  /** Leaves the secondary OS for a server; absent where there is none. */
  readonly departure?: Departure;
  readonly pingIntervalMs?: number;
  readonly strangerLimitMs?: number;
}

/**
 * Talks with a server over one control connection until it ends. A message that is wrong or not allowed is answered with
 * an error and the connection stays.
 */
export function serveControlChannel(
  socket: WebSocket,
  connection: PeerConnection,
  options: ControlChannelOptions,
): void {
  const conversation = new Conversation(socket, connection, options);
  const stopWatching = watchLife(socket, conversation, options);
  // ws closes the connection itself, for example with 1009 after a message over the limit.
  socket.on('error', (error) => debug('connection ended: %s', error.message));
  socket.on('message', (data) => void conversation.answer(data));
  socket.on('close', () => {
    stopWatching();
    options.access.grants.connectionClosed(socket);
  });
  conversation.send(helloMessage(options.version));
}

class Conversation {
  readonly #socket: WebSocket;
  readonly #connection: PeerConnection;
  readonly #options: ControlChannelOptions;
  readonly #pairing: PairingConversation;

  constructor(socket: WebSocket, connection: PeerConnection, options: ControlChannelOptions) {
    this.#socket = socket;
    this.#connection = connection;
    this.#options = options;
    this.#pairing = new PairingConversation(options.access.pairing, connection);
  }

  get isStranger(): boolean {
    try {
      this.#options.access.identify(this.#connection);
      return false;
    } catch {
      return true;
    }
  }

  async answer(data: RawData): Promise<void> {
    // What had arrived before the connection was cut off.
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    let id: number | undefined;
    try {
      const bytes = bytesOf(data);
      this.#trace('<', bytes);
      const message = parseServerMessage(bytes);
      id = message.id;
      this.send(await this.#answerTo(message));
    } catch (error) {
      this.send(answerToFailure(error, id));
    }
  }

  send(message: ClientMessage | undefined): void {
    if (message === undefined) return;
    const text = serialiseControlMessage(message);
    this.#trace('>', text);
    if (this.#socket.bufferedAmount > MAX_UNSENT_BYTES) this.#socket.terminate();
    else this.#socket.send(text);
  }

  /** One line a message for `NODE_DEBUG=diskferry:control`; "<" comes from the server. */
  #trace(direction: '<' | '>', message: string | Uint8Array): void {
    if (!debug.enabled) return;
    const text = typeof message === 'string' ? message : Buffer.from(message).toString();
    debug('%s %s %s', this.#connection.address, direction, text.slice(0, TRACED_LENGTH));
  }

  async #answerTo(message: ServerMessage): Promise<ClientMessage | undefined> {
    switch (message.type) {
      case 'pair':
        return this.#pairing.begin(message);
      case 'prove':
        return this.#pairing.conclude(message);
      case 'get-inventory':
        return this.#inventory(message.id);
      case 'grant-write':
        return this.#grant(message);
      case 'end-grant':
        this.#options.access.grants.end(this.#peer(), message.disk);
        return { type: 'grant-ended', id: message.id };
      case 'open-channel':
        return this.#openChannel(message);
      case 'kexec-piece':
        this.#peer();
        this.#departure().keep(this.#options.access, message);
        return { type: 'kexec-kept', id: message.id };
      case 'leave':
        return this.#leave(message);
      case 'error':
        debug('the server reports %s: %s', message.code, message.message);
        return undefined;
    }
  }

  #inventory(id: number): ClientMessage {
    this.#peer();
    try {
      return { type: 'inventory', id, inventory: this.#options.readInventory() };
    } catch (error) {
      const message = `the inventory cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      return { type: 'error', id, code: 'INVENTORY_FAILED', message };
    }
  }

  #grant({ id, disk, job, description }: GrantWriteMessage): ClientMessage {
    const { access, listDisks } = this.#options;
    const peer = this.#peer();
    access.refuseGrants();
    const local = listDisks().find(({ info }) => info.name === disk);
    if (local === undefined) {
      const names = listDisks().map(({ info }) => info.name);
      throw new AccessError(
        'UNKNOWN_DISK',
        `there is no disk "${disk}"; there are: ${names.join(', ') || 'none'}`,
      );
    }
    if (local.info.readOnly) throw new AccessError('GRANT_REFUSED', `${disk} is write-protected`);
    const { generation } = local;
    const grant = access.grants.give(peer, this.#socket, { disk, generation, job, description });
    return { type: 'granted', id, exportName: grant.exportName };
  }

  async #openChannel(message: OpenChannelMessage): Promise<ClientMessage> {
    this.#peer();
    const { openChannel } = this.#options;
    if (openChannel === undefined) {
      throw new ControlError(
        'CONTROL_UNKNOWN_TYPE',
        'this client is not managed: connect to its port of disks instead of asking for a channel',
      );
    }
    await openChannel(message);
    return { type: 'channel-opened', id: message.id };
  }

  #leave(message: LeaveMessage): ClientMessage {
    this.#peer();
    const end = this.#departure().prepare(this.#options.access, message);
    void end().catch((error: unknown) => {
      this.send(answerToFailure(error, undefined));
    });
    return { type: 'leaving', id: message.id };
  }

  /** @throws {ControlError} */
  #departure(): Departure {
    const { departure } = this.#options;
    if (departure !== undefined) return departure;
    throw new ControlError('CONTROL_UNKNOWN_TYPE', 'this client runs on no secondary OS that it could leave');
  }

  /** @throws {AccessError} `NOT_PAIRED` */
  #peer() {
    return this.#options.access.identify(this.#connection);
  }
}

function answerToFailure(error: unknown, id: number | undefined): ClientMessage {
  if (error instanceof ControlError) return { ...errorMessage(error), ...(id === undefined ? {} : { id }) };
  const isTold = error instanceof AccessError || error instanceof TrustError || error instanceof LeaveError;
  const code = isTold ? error.code : 'CLIENT_FAILED';
  const message = error instanceof Error ? error.message : String(error);
  return { type: 'error', ...(id === undefined ? {} : { id }), code, message };
}

/** Ends the connection of a server that is gone, or that has not paired in time. Returns what stops watching. */
function watchLife(
  socket: WebSocket,
  conversation: Conversation,
  { pingIntervalMs = PING_INTERVAL_MS, strangerLimitMs = STRANGER_LIMIT_MS }: ControlChannelOptions,
): () => void {
  let isAlive = true;
  socket.on('pong', () => {
    isAlive = true;
  });
  const pinging = setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, pingIntervalMs).unref();
  const limit = setTimeout(() => {
    if (conversation.isStranger) socket.terminate();
  }, strangerLimitMs).unref();
  return () => {
    clearInterval(pinging);
    clearTimeout(limit);
  };
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
