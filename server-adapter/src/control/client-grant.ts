import { setTimeout as sleep } from 'node:timers/promises';
import type { HostAddress } from '@diskferry/protocol/disk-address';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { ClientTls } from '@diskferry/trust/secure-context';
import { type ControlConnection, openControlConnection } from './control-connection.ts';
import type { GrantPurpose } from './managed-grant.ts';

/**
 * For the connection and for each answer, in ms: several attempts fit into the time for which the client keeps a grant. The
 * handshake of TLS alone takes an emulated computer seconds.
 */
const TIMEOUT_MS = 20_000;
/** Between attempts to reach a client again, in ms. */
const RETRY_MS = 2_000;

/** Where a grant is asked for. */
export interface ClientGrantTarget {
  /** The control channel of the imaging client. */
  readonly control: HostAddress;
  readonly tls: ClientTls | undefined;
  /** The disk's name in the inventory. */
  readonly disk: string;
}

export interface ClientGrantOptions extends GrantPurpose {
  /** Called with a sentence if the client does not give the grant again after an interruption. */
  readonly onRefusal: (reason: Error) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The right to write to a disk of an imaging client, given for as long as a control connection is there. A connection
 * that is lost is made again, and the client, which waits for that, gives the same grant to the same job.
 */
export class ClientGrant {
  readonly #target: ClientGrantTarget;
  readonly #options: ClientGrantOptions;
  readonly #life = new AbortController();
  #connection: ControlConnection | undefined;
  #exportName = '';

  /**
   * Asks the client.
   *
   * @throws {DiskferryError} with the code of the refusal, such as `GRANT_TAKEN`; as openControlConnection
   * @throws {TrustError}
   */
  static async take(target: ClientGrantTarget, options: ClientGrantOptions): Promise<ClientGrant> {
    const grant = new ClientGrant(target, options);
    await grant.#ask(options.signal);
    return grant;
  }

  private constructor(target: ClientGrantTarget, options: ClientGrantOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** The export that can be written. */
  get exportName(): string {
    return this.#exportName;
  }

  /**
   * Asks again over a new connection, because the old one may be dead without a sign.
   *
   * @returns the export that can be written from now on
   * @throws as {@link take}
   */
  async renew(signal: AbortSignal): Promise<string> {
    await this.#ask(AbortSignal.any([signal, this.#life.signal]));
    return this.#exportName;
  }

  /** Gives the right back; a client that cannot be reached takes it back by itself. */
  async giveBack(): Promise<void> {
    this.#life.abort();
    const connection = this.#connection;
    await connection?.ask({ type: 'end-grant', disk: this.#target.disk }, 'grant-ended').catch(() => {});
    connection?.close();
  }

  async #ask(signal: AbortSignal | undefined): Promise<void> {
    const { control, tls, disk } = this.#target;
    const { job, description } = this.#options;
    const connection = await openControlConnection(control, { tls, timeoutMs: TIMEOUT_MS });
    const giveUp = (): void => connection.close();
    signal?.addEventListener('abort', giveUp);
    try {
      signal?.throwIfAborted();
      const { exportName } = await connection.ask({ type: 'grant-write', disk, job, description }, 'granted');
      this.#life.signal.throwIfAborted();
      this.#exportName = exportName;
    } catch (error) {
      connection.close();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
    const old = this.#connection;
    this.#connection = connection;
    old?.close();
    void connection.ended.then(() => this.#comeBack(connection));
  }

  /** The client forgets the grant if nobody asks for it again in time, also where the disk itself is still connected. */
  async #comeBack(lost: ControlConnection): Promise<void> {
    while (this.#connection === lost && !this.#life.signal.aborted) {
      try {
        await this.#ask(this.#life.signal);
      } catch (error) {
        if (this.#life.signal.aborted) return;
        if (!mayPass(error)) return this.#options.onRefusal(refusal(error));
        await sleep(RETRY_MS, undefined, { signal: this.#life.signal }).catch(() => {});
      }
    }
  }
}

/** Whether the client may answer better later; what it refuses once, it refuses for good. */
function mayPass(error: unknown): boolean {
  return error instanceof DiskferryError && error.code === 'CONTROL_FAILED';
}

function refusal(cause: unknown): Error {
  return new DiskferryError('GRANT_ENDED', `the right to write was not given again: ${messageOf(cause)}`, {
    cause,
  });
}
