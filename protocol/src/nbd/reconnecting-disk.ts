import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Disk, DiskError, type Extent, type SectorSize, type WriteZeroesOptions } from '../disk.ts';
import type { DiskAddress } from '../disk-address.ts';
import { BackOff } from './back-off.ts';
import { type ConnectOptions, connectNbd } from './client.ts';
import { describeServer } from './client-link.ts';
import { ConnectionGroup } from './connection-group.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { NbdError } from './nbd-error.ts';
import type { RemoteDisk } from './remote-disk.ts';
import { type DiskFacts, factsOf, refuseOtherDisk } from './same-disk.ts';

/** How long a lost connection is waited for, in ms, unless told otherwise. */
const RECONNECT_LIMIT_MS = 120_000;
/** For one attempt to connect again, in ms: short, since TCP asks ever more seldom while nobody answers. */
const CONNECT_TIMEOUT_MS = 20_000;
/**
 * An attempt that begins just before the limit has so long all the same, in ms: one of a few milliseconds would always
 * fail, and its "did not answer within 0.001 s" would hide why the attempts before it failed.
 */
const SHORTEST_ATTEMPT_MS = 1_000;

/** The connection to a disk was lost, or is there again. */
export interface Interruption {
  readonly kind: 'lost' | 'restored';
  /** A sentence for the user. */
  readonly message: string;
}

export interface ReconnectOptions extends ConnectOptions {
  /** How many connections are made, if the server says that they all see the same bytes; one by default. */
  readonly connections?: number;
  /**
   * How long a lost connection is waited for, in ms; 0 for not at all, 120 s by default. The last attempt may end a second
   * later.
   */
  readonly reconnectLimitMs?: number;
  /** Called when the connection is lost and will be tried again, and when it is there again. */
  readonly onInterruption?: (event: Interruption) => void;
  /**
   * Tells the address anew before each attempt to connect again, where names of exports are given out for a time only.
   * What it throws fails that attempt. By default the address stays the same.
   */
  readonly renewAddress?: (signal: AbortSignal) => Promise<DiskAddress>;
}

/**
 * Connects to an export as {@link connectNbd} does, and connects again when the connection is lost: requests that were not
 * answered are sent again, so that the caller sees a delay. It ends for good, with one reason for all requests and for `lost`:
 * `NBD_LOST` when the limit has passed, `NBD_CHANGED` when something else answers than before, `NBD_UNTRUSTED` and
 * `NBD_PROTOCOL` when the other side is not what it should be.
 *
 * @throws {NbdError} as {@link connectNbd}: the first connection is tried once; the reason of the signal
 */
export async function connectReconnectingNbd(
  address: DiskAddress,
  options: ReconnectOptions = {},
): Promise<NbdDisk> {
  const { signal } = options;
  signal?.throwIfAborted();
  const life = new AbortController();
  // Each connection listens to it.
  setMaxListeners(0, life.signal);
  const onAbort = (): void => life.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  life.signal.addEventListener('abort', () => signal?.removeEventListener('abort', onAbort));
  try {
    const group = await dial(address, { ...options, signal: life.signal });
    return new ReconnectingDisk(group, { ...options, address, life });
  } catch (error) {
    life.abort(error);
    throw error;
  }
}

/** Makes the connections of one disk; as many of those that were asked for as the server lets us have. */
async function dial(
  address: DiskAddress,
  { connections = 1, ...options }: ReconnectOptions,
  before?: DiskFacts,
): Promise<ConnectionGroup> {
  const first = await connectNbd(address, options);
  const disks: [RemoteDisk, ...RemoteDisk[]] = [first];
  try {
    const facts = before ?? factsOf(first);
    const more = first.supports.multiConnection ? connections - 1 : 0;
    const attempts = Array.from({ length: more }, () => connectNbd(address, options));
    for (const attempt of await Promise.allSettled(attempts)) {
      if (attempt.status === 'fulfilled') disks.push(attempt.value);
    }
    for (const disk of disks) refuseOtherDisk(disk, facts);
    options.signal?.throwIfAborted();
    return new ConnectionGroup(disks);
  } catch (error) {
    for (const disk of disks) disk.abandon(error as Error);
    throw error;
  }
}

interface Context extends ReconnectOptions {
  readonly address: DiskAddress;
  /** Aborted with the reason for which the disk has ended. */
  readonly life: AbortController;
}

class ReconnectingDisk implements NbdDisk {
  readonly size: number;
  readonly sectorSize: SectorSize;
  readonly readOnly: boolean;
  readonly description?: string;
  readonly identity?: string;
  readonly supports: NbdDisk['supports'];
  readonly extents?: NonNullable<Disk['extents']>;
  readonly lost: Promise<Error>;
  readonly #context: Context;
  readonly #peer: string;
  readonly #limitMs: number;
  readonly #facts: DiskFacts;
  readonly #backOff = new BackOff();
  /** The connections in use; undefined while there are none. */
  #group: ConnectionGroup | undefined;
  /** Resolves when there are connections again, or the disk has ended. */
  #restoring: Promise<void> = Promise.resolve();
  /** Changes that the server has confirmed, and how many of them a flush has covered. */
  #confirmed = 0;
  #flushed = 0;
  /** Bytes of connections that are gone. */
  #earlierReceived = 0;
  #earlierSent = 0;
  #endReason: Error | undefined;
  #closed: Promise<void> | undefined;
  #reportLoss: (reason: Error) => void = () => {};

  constructor(group: ConnectionGroup, context: Context) {
    const { first } = group;
    this.#context = context;
    this.#peer = describeServer(context.address);
    this.#limitMs = context.reconnectLimitMs ?? RECONNECT_LIMIT_MS;
    this.#facts = factsOf(first);
    this.size = first.size;
    this.sectorSize = first.sectorSize;
    this.readOnly = first.readOnly;
    if (first.description !== undefined) this.description = first.description;
    if (first.identity !== undefined) this.identity = first.identity;
    this.supports = first.supports;
    if (first.extents !== undefined) {
      this.extents = (offset, length) => this.#carryOut(length, (disk) => extentsOf(disk, offset, length));
    }
    this.lost = new Promise((resolve) => {
      this.#reportLoss = resolve;
    });
    this.#life.addEventListener('abort', () => this.#end(this.#life.reason as Error));
    this.#use(group);
    if (this.#life.aborted) this.#end(this.#life.reason as Error);
  }

  get bytesReceived(): number {
    return this.#earlierReceived + (this.#group?.bytesReceived ?? 0);
  }

  get bytesSent(): number {
    return this.#earlierSent + (this.#group?.bytesSent ?? 0);
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    await this.#carryOut(target.length, (disk) => disk.read(offset, target));
  }

  async write(offset: number, data: Uint8Array, options?: { readonly fua?: boolean }): Promise<void> {
    await this.#carryOut(data.length, (disk) => disk.write(offset, data, options));
    const isOnDisk = options?.fua === true && (this.supports.fua || this.supports.flush);
    if (!isOnDisk) this.#confirmed++;
  }

  async flush(): Promise<void> {
    const covered = this.#confirmed;
    await this.#carryOut(0, (disk) => disk.flush());
    if (this.supports.flush) this.#flushed = Math.max(this.#flushed, covered);
  }

  async discard(offset: number, length: number): Promise<void> {
    // Not counted as a change: what a lost discard leaves is one of the things that the range may read as.
    await this.#carryOut(0, (disk) => disk.discard(offset, length));
  }

  async writeZeroes(offset: number, length: number, options?: WriteZeroesOptions): Promise<void> {
    await this.#carryOut(0, (disk) => disk.writeZeroes(offset, length, options));
    this.#confirmed++;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  get #life(): AbortSignal {
    return this.#context.life.signal;
  }

  /** Does something on a connection, and again on another one for as long as connections are lost meanwhile. */
  async #carryOut<T>(weight: number, action: (disk: RemoteDisk) => Promise<T>): Promise<T> {
    let interruptedAt: number | undefined;
    for (;;) {
      if (this.#endReason !== undefined) throw this.#endReason;
      const group = this.#group;
      if (group === undefined) {
        await this.#restoring;
        continue;
      }
      try {
        return await group.use(weight, action);
      } catch (error) {
        if (!isInterruption(error)) throw this.#endReason ?? error;
        const now = performance.now();
        interruptedAt ??= now;
        // A request that takes down every connection would otherwise be sent for ever.
        if (now - interruptedAt > this.#limitMs && this.#limitMs > 0) this.#end(this.#lostForGood(error));
        this.#interrupted(group, error);
      }
    }
  }

  #use(group: ConnectionGroup): void {
    this.#group = group;
    void group.lost.then((reason) => this.#interrupted(group, reason));
  }

  #interrupted(group: ConnectionGroup, reason: Error): void {
    if (this.#group !== group || this.#endReason !== undefined) return;
    const loss = lossOf(this.#peer, reason);
    if (this.#limitMs === 0 || !mayPass(loss)) {
      this.#end(loss);
      return;
    }
    // All connections are given up, the good ones too: what one of them did not answer must not be overtaken on another.
    this.#giveUp(group, loss);
    const message = `${loss.message}; it is tried again for ${this.#limitMs / 1000} s`;
    this.#context.onInterruption?.({ kind: 'lost', message });
    this.#restoring = this.#restore(loss);
  }

  #giveUp(group: ConnectionGroup, reason: Error): void {
    this.#group = undefined;
    this.#earlierReceived += group.bytesReceived;
    this.#earlierSent += group.bytesSent;
    group.abandon(reason);
  }

  /** Never rejects: the disk has connections then, or has ended. */
  async #restore(reason: Error): Promise<void> {
    const start = performance.now();
    this.#backOff.interrupted(start);
    let lastFailure = reason;
    for (;;) {
      const left = start + this.#limitMs - performance.now();
      if (left <= 0) {
        this.#end(this.#lostForGood(lastFailure));
        return;
      }
      try {
        await sleep(Math.min(this.#backOff.nextDelayMs(), left), undefined, { signal: this.#life });
        await this.#reconnect(start);
        return;
      } catch (error) {
        if (this.#endReason !== undefined) return;
        lastFailure = error as Error;
        if (!mayPass(lastFailure)) {
          this.#end(lastFailure);
          return;
        }
      }
    }
  }

  async #reconnect(start: number): Promise<void> {
    const { renewAddress, connectTimeoutMs = CONNECT_TIMEOUT_MS, ...options } = this.#context;
    const left = Math.max(SHORTEST_ATTEMPT_MS, start + this.#limitMs - performance.now());
    const address = (await renewAddress?.(this.#life)) ?? this.#context.address;
    const group = await dial(
      address,
      { ...options, signal: this.#life, connectTimeoutMs: Math.min(connectTimeoutMs, left) },
      this.#facts,
    );
    this.#refuseLostWrites(group);
    const now = performance.now();
    this.#backOff.restored(now);
    this.#use(group);
    const seconds = ((now - start) / 1000).toFixed(1);
    const message = `the connection to ${this.#peer} is there again after ${seconds} s`;
    this.#context.onInterruption?.({ kind: 'restored', message });
  }

  /** A server that was started anew may have lost what it had confirmed but not flushed; the identity rules that out. */
  #refuseLostWrites(group: ConnectionGroup): void {
    if (this.identity !== undefined || this.#flushed === this.#confirmed) return;
    const message =
      `${this.#peer} is there again, but does not tell whether it still runs as before; ` +
      'writes that it had confirmed and not flushed may be lost, so the work must be done again';
    const error = new NbdError('NBD_CHANGED', message);
    group.abandon(error);
    throw error;
  }

  #lostForGood(cause: Error): NbdError {
    const message = `the connection to ${this.#peer} was lost and did not come back within ${this.#limitMs / 1000} s; at last: ${cause.message}`;
    return new NbdError('NBD_LOST', message, { cause });
  }

  /** Ends all that is under way and all that will come, for this reason; the first one counts. */
  #end(reason: Error): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    if (this.#group !== undefined) this.#giveUp(this.#group, reason);
    const isAsked = this.#life.aborted;
    this.#context.life.abort(reason);
    if (!isAsked) this.#reportLoss(reason);
  }

  async #close(): Promise<void> {
    this.#endReason ??= new NbdError('NBD_CLOSED', `the connection to ${this.#peer} has been closed`);
    await this.#group?.close();
    this.#context.life.abort(this.#endReason);
    await this.#restoring;
  }
}

function extentsOf(disk: RemoteDisk, offset: number, length: number): Promise<readonly Extent[]> {
  // A server that was started anew may know less than before.
  return disk.extents?.(offset, length) ?? Promise.resolve([{ length, hole: false, zero: false }]);
}

/** Whether a request is not answered because of the connection, and not for what it asks. */
function isInterruption(error: unknown): error is NbdError | DiskError {
  return error instanceof NbdError || (error instanceof DiskError && error.errno === 'ESHUTDOWN');
}

/** Whether a later attempt may be luckier. */
function mayPass(error: Error): boolean {
  if (!(error instanceof NbdError)) return true;
  return error.code !== 'NBD_CHANGED' && error.code !== 'NBD_UNTRUSTED' && error.code !== 'NBD_PROTOCOL';
}

function lossOf(peer: string, reason: Error): Error {
  if (reason instanceof NbdError) return reason;
  return new NbdError('NBD_LOST', `${peer} shuts down: ${reason.message}`, { cause: reason });
}
