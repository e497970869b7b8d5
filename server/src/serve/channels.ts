import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { DiskferryError } from '@diskferry/system/errors';

/** Nobody guesses it. */
const ID_BYTES = 32;
/** A client dials at once; one that has not come by then will not come, in ms. */
const DIAL_TIMEOUT_MS = 15_000;

/** A connection that a client was asked for. */
export interface ExpectedChannel {
  /** Hexadecimal; good for one connection. */
  readonly id: string;
  /** Rejects with `CHANNEL_FAILED` if the client does not come. */
  readonly stream: Promise<Duplex>;
  /** The client will not come, or nobody wants it any more. */
  cancel(why: string): void;
}

interface Waiting {
  readonly owner: string;
  readonly accept: (stream: Duplex) => void;
}

/** The connections that clients were asked for and that have not come yet. */
export class Channels {
  readonly #waiting = new Map<string, Waiting>();
  readonly #dialTimeoutMs: number;

  constructor({ dialTimeoutMs = DIAL_TIMEOUT_MS } = {}) {
    this.#dialTimeoutMs = dialTimeoutMs;
  }

  /** @param owner fingerprint of the client that shall come; nobody else is let in */
  expect(owner: string): ExpectedChannel {
    const id = randomBytes(ID_BYTES).toString('hex');
    const { promise: stream, resolve, reject } = Promise.withResolvers<Duplex>();
    const end = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(id);
    };
    const cancel = (why: string): void => {
      end();
      reject(new DiskferryError('CHANNEL_FAILED', `the computer opens no channel: ${why}`));
    };
    const timer = setTimeout(
      () => cancel(`it did not dial within ${this.#dialTimeoutMs / 1000} s`),
      this.#dialTimeoutMs,
    );
    const accept = (dialled: Duplex): void => {
      end();
      resolve(dialled);
    };
    this.#waiting.set(id, { owner, accept });
    // Nobody may be listening any more when a channel is given up.
    stream.catch(() => {});
    return { id, stream, cancel };
  }

  /**
   * What takes the connection for a channel; undefined if there is no such channel, it was used, or it is another
   * client's. An impostor does not use it up.
   */
  claim(id: string, owner: string): ((stream: Duplex) => void) | undefined {
    const waiting = this.#waiting.get(id);
    return waiting?.owner === owner ? waiting.accept : undefined;
  }
}
