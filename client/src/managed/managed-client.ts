import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { debuglog } from 'node:util';
import type { OpenChannelMessage } from '@diskferry/protocol/control';
import { formatHostAddress } from '@diskferry/protocol/disk-address';
import { BackOff } from '@diskferry/protocol/nbd/back-off';
import type { Identity } from '@diskferry/trust/identity';
import type { WebSocket } from 'ws';
import type { PeerConnection } from '../access/access.ts';
import { type ControlChannelOptions, serveControlChannel } from '../control/control-channel.ts';
import { type Dialler, dialChannel, dialControl } from './dial.ts';
import type { ManagedSettings } from './managed-settings.ts';

const debug = debuglog('diskferry:managed');

/** A server that is gone without a word is noticed after twice this time, in ms: well within what its jobs wait. */
const PING_INTERVAL_MS = 10_000;
/** So many NBD sessions at once; more than any server asks for, and in bounds for the memory of a small computer. */
const MAX_CHANNELS = 64;

/** How it stands with the server. */
export interface ManagedState {
  /** HOST:PORT. */
  readonly server: string;
  readonly isConnected: boolean;
  /** Why it is not, in a sentence; undefined before the first attempt has ended. */
  readonly trouble: string | undefined;
  /** When it is tried again, by performance.now(); undefined while it is tried. */
  readonly nextTryAtMs: number | undefined;
}

export interface ManagedClientOptions {
  readonly settings: ManagedSettings;
  readonly identity: Identity;
  readonly control: Omit<ControlChannelOptions, 'openChannel'>;
  /** Serves NBD on a connection until it ends. */
  readonly serveDisks: (channel: OpenedChannel) => Promise<void>;
}

/** A connection that the server has asked for, for one NBD session. */
export interface OpenedChannel {
  readonly stream: Duplex;
  readonly peer: PeerConnection;
  /** The only export that it shall see; all if undefined. */
  readonly disk: string | undefined;
  /** Ends the session kindly. */
  readonly shutdown: AbortSignal;
}

export interface ManagedClient {
  readonly state: ManagedState;
  /** Ends all connections. */
  close(): Promise<void>;
}

/**
 * Keeps a control connection to the server, which it dials itself, and dials once more for each NBD session that the server
 * asks for. Listens nowhere. What goes wrong is tried again for ever, with pauses, and told by `state`.
 */
export function startManagedClient(options: ManagedClientOptions): ManagedClient {
  const life = new AbortController();
  const client = new DiallingClient(options, life.signal);
  const running = client.run();
  return {
    get state() {
      return client.state;
    },
    close: async () => {
      life.abort();
      await running;
      await client.channelsEnded();
    },
  };
}

class DiallingClient {
  state: ManagedState;
  readonly #options: ManagedClientOptions;
  readonly #dialler: Dialler;
  readonly #peer: PeerConnection;
  readonly #channels = new Set<Promise<void>>();

  constructor(options: ManagedClientOptions, signal: AbortSignal) {
    const { settings, identity } = options;
    this.#options = options;
    this.#dialler = { settings, identity, signal };
    this.#peer = { secured: undefined, address: settings.server.host };
    this.state = {
      server: formatHostAddress(settings.server),
      isConnected: false,
      trouble: undefined,
      nextTryAtMs: undefined,
    };
  }

  async run(): Promise<void> {
    const { signal } = this.#dialler;
    const backOff = new BackOff();
    while (!signal.aborted) {
      const why = await this.#stayConnected(() => backOff.restored(performance.now()));
      backOff.interrupted(performance.now());
      if (signal.aborted) return;
      debug('%s', why);
      const delayMs = backOff.nextDelayMs();
      this.#show(false, why, performance.now() + delayMs);
      await sleep(delayMs, undefined, { signal }).catch(() => {});
      this.#show(false, why);
    }
  }

  async channelsEnded(): Promise<void> {
    await Promise.all(this.#channels);
  }

  /** Returns why there is no connection, or no longer. Never rejects. */
  async #stayConnected(onConnected: () => void): Promise<string> {
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    try {
      await dialControl(this.#dialler, (socket) => {
        socket.on('close', (_, reason) => resolve(farewell(this.state.server, reason)));
        onConnected();
        this.#show(true, undefined);
        this.#serve(socket);
      });
      return await ended;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #serve(socket: WebSocket): void {
    const { signal } = this.#dialler;
    const stop = (): void => socket.terminate();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    socket.on('close', () => signal.removeEventListener('abort', stop));
    serveControlChannel(socket, this.#peer, {
      pingIntervalMs: PING_INTERVAL_MS,
      ...this.#options.control,
      openChannel: (message) => this.#openChannel(message),
    });
  }

  async #openChannel({ channel, disk }: OpenChannelMessage): Promise<void> {
    if (this.#channels.size >= MAX_CHANNELS) {
      throw new Error(`this computer serves ${MAX_CHANNELS} connections already; end some first`);
    }
    const dialled = dialChannel(this.#dialler, channel);
    const served = dialled.then(
      (stream) => this.#serveDisks(stream, disk),
      () => {},
    );
    this.#channels.add(served);
    void served.finally(() => this.#channels.delete(served));
    await dialled;
  }

  async #serveDisks(stream: Duplex, disk: string | undefined): Promise<void> {
    // An error event without a listener would end the process.
    stream.on('error', (error) => debug('channel: %s', error.message));
    try {
      const shutdown = this.#dialler.signal;
      await this.#options.serveDisks({ stream, peer: this.#peer, disk, shutdown });
    } catch (error) {
      debug('channel: %s', error instanceof Error ? error.message : error);
    } finally {
      stream.destroy();
    }
  }

  #show(isConnected: boolean, trouble: string | undefined, nextTryAtMs?: number): void {
    this.state = { ...this.state, isConnected, trouble, nextTryAtMs };
  }
}

/** What the server said when it closed the connection, if anything. Control characters would steer the terminal. */
function farewell(server: string, reason: Buffer): string {
  const text = reason.toString('utf8').replaceAll(/\p{C}/gu, ' ').trim();
  return `${server} ended the connection${text === '' ? '' : `: ${text}`}`;
}
