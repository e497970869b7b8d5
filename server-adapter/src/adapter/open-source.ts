import { controlPortOf, type DiskAddress } from '@diskferry/protocol/disk-address';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import type { NbdDisk } from '@diskferry/protocol/nbd/nbd-disk';
import { connectReconnectingNbd } from '@diskferry/protocol/nbd/reconnecting-disk';
import { type ConnectionSecurity, tlsOf } from '@diskferry/trust/connection-security';
import { ClientGrant } from '../control/client-grant.ts';
import {
  type GrantPurpose,
  type ManagedDiskName,
  type ManagedGrant,
  takeManagedGrant,
} from '../control/managed-grant.ts';
import type { AccessMode } from '../simulated-disk.ts';
import { claimDevice } from '../image/local-device.ts';
import type { AdapterConfig, AdapterSource } from './messages.ts';

type RemoteSource = Extract<AdapterSource, { readonly kind: 'remote' }>;

/** The disk of an adapter, and the right to it. */
export interface OpenedSource {
  readonly disk: NbdDisk;
  /** From now on the disk fails where it would wait for a lost connection. */
  stopWaiting(reason: Error): void;
  /** Gives the right to write back, if there is one. The disk must be closed before. */
  giveBack(): Promise<void>;
}

export interface OpenSourceOptions {
  /** Gives up the attempt; without effect afterwards. */
  readonly signal: AbortSignal;
  /** Called with a sentence about what happens to the connection. */
  readonly onNotice: (message: string) => void;
}

/**
 * Connects an adapter's source; a remote one that is lost is connected again. A disk of an imaging client that shall be
 * written is asked for the right first.
 *
 * @throws {Error} with a sentence when it cannot be reached or used as asked
 */
export async function openSource(
  { source, mode, requestTimeoutMs }: AdapterConfig,
  { signal, onNotice }: OpenSourceOptions,
): Promise<OpenedSource> {
  signal.throwIfAborted();
  // The signal of a connection ends it at any time, but here only the attempt may be given up.
  const attempt = new AbortController();
  const giveUp = (): void => attempt.abort(signal.reason);
  signal.addEventListener('abort', giveUp);
  const timeout = requestTimeoutMs === undefined ? {} : { requestTimeoutMs };
  try {
    if (source.kind === 'image') {
      if (source.exclusive !== undefined) claimDevice(source.exclusive);
      // Its server ends with the connection.
      const disk = await connectNbd(source.address, { signal: attempt.signal, ...timeout });
      return { disk, stopWaiting: () => {}, giveBack: async () => {} };
    }
    const waiting = new Waiting(attempt);
    const right = await rightTo(source, mode, { signal: attempt.signal, onNotice });
    try {
      const tls = await tlsOf(securityOf(source));
      const disk = await connectReconnectingNbd(right.address, {
        signal: attempt.signal,
        tls,
        ...timeout,
        ...(source.reconnectLimitMs === undefined ? {} : { reconnectLimitMs: source.reconnectLimitMs }),
        ...(right.renew === undefined ? {} : { renewAddress: right.renew }),
        onInterruption: ({ kind, message }) => {
          waiting.changed(kind === 'lost');
          onNotice(message);
        },
      });
      return {
        disk,
        stopWaiting: (reason) => waiting.stop(reason),
        giveBack: () => right.giveBack(),
      };
    } catch (error) {
      await right.giveBack();
      throw error;
    }
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** Whether a disk waits for its connection, and may. */
class Waiting {
  readonly #life: AbortController;
  #isLost = false;
  #unwanted: Error | undefined;

  /** @param life ends the disk */
  constructor(life: AbortController) {
    this.#life = life;
  }

  changed(isLost: boolean): void {
    this.#isLost = isLost;
    if (isLost && this.#unwanted !== undefined) this.#life.abort(this.#unwanted);
  }

  stop(reason: Error): void {
    this.#unwanted = reason;
    if (this.#isLost) this.#life.abort(reason);
  }
}

/** The name under which a disk can be used as asked, and what keeps it so. */
interface Right {
  readonly address: DiskAddress;
  readonly renew?: (signal: AbortSignal) => Promise<DiskAddress>;
  giveBack(): Promise<void>;
}

async function rightTo(source: RemoteSource, mode: AccessMode, options: OpenSourceOptions): Promise<Right> {
  if (mode === 'write' && source.managed !== undefined) {
    return managedRight(source.managed, source.purpose, options);
  }
  // In plain text nobody gives grants: whoever serves disks so lets everybody write to them, or nobody.
  if (mode === 'write' && source.security?.kind === 'pinned') return clientRight(source, options);
  return { address: source.address, giveBack: async () => {} };
}

/**
 * From the server of this machine, which the computer has dialled. It is asked again after each interruption, so that what is
 * left on the connections of before is not written after what is sent again.
 */
async function managedRight(
  managed: ManagedDiskName,
  purpose: GrantPurpose,
  { signal, onNotice }: OpenSourceOptions,
): Promise<Right> {
  let current: ManagedGrant | undefined;
  let isOver = false;
  async function take(signal: AbortSignal): Promise<DiskAddress> {
    const grant = await takeManagedGrant(managed, purpose, { signal });
    current?.giveBack();
    current = grant;
    void grant.ended.then(({ message }) => (isOver || current !== grant ? undefined : onNotice(message)));
    // It was given back while it was asked for.
    if (isOver) grant.giveBack();
    return { transport: 'unix', socketPath: grant.socketPath, exportName: '' };
  }
  return {
    address: await take(signal),
    renew: take,
    async giveBack() {
      isOver = true;
      current?.giveBack();
    },
  };
}

/** From the imaging client itself. */
async function clientRight(source: RemoteSource, { signal, onNotice }: OpenSourceOptions): Promise<Right> {
  const { address, purpose } = source;
  if (address.transport !== 'tcp') throw new TypeError('only a client on the network gives such a right');
  const { host, port, exportName: disk } = address;
  const tls = await tlsOf(securityOf(source));
  const grant = await ClientGrant.take(
    { control: { host, port: source.controlPort ?? controlPortOf(port) }, tls, disk },
    { ...purpose, signal, onRefusal: ({ message }) => onNotice(message) },
  );
  return {
    address: { ...address, exportName: grant.exportName },
    renew: async (signal) => ({ ...address, exportName: await grant.renew(signal) }),
    giveBack: () => grant.giveBack(),
  };
}

function securityOf({ security }: RemoteSource): ConnectionSecurity {
  return security ?? { kind: 'insecure' };
}
