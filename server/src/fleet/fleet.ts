import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { Log } from '../api/services.ts';
import type { Registry } from '../registry/registry.ts';
import { standbyAnswer } from '../registry/states/standby-answer.ts';
import type { Computer } from '../serve/computers.ts';

/** How often a computer that is awaited is looked for, in ms. */
const LOOK_EVERY_MS = 500;
/** How long a computer may take to start our media and dial in, in ms; servers test their memory for minutes. */
const START_LIMIT_MS = 30 * 60_000;

/** Which of the known computers are connected to this server now. */
export class Fleet {
  readonly #registry: Registry;
  readonly #log: Log;
  /** By id in the registry. */
  readonly #connected = new Map<string, Computer>();

  constructor(registry: Registry, log: Log) {
    this.#registry = registry;
    this.#log = log;
  }

  /** A computer has dialled in: it is looked up in the registry, and is there until it goes. Never rejects. */
  async attend(computer: Computer): Promise<void> {
    const { inventory, address, enrolment, fingerprint } = computer;
    try {
      const seen = await this.#registry.seen({
        inventory,
        address,
        enrolment: enrolment.name,
        via: 'control',
        key: fingerprint,
      });
      const { id, name, state } = seen.computer;
      this.#connected.set(id, computer);
      this.#log('info', `${computer.name} is the computer ${name} (${state})`);
      if (standbyAnswer(state) === 'leave') await this.#sendAway(computer);
      await computer.link.ended;
      if (this.#connected.get(id) === computer) this.#connected.delete(id);
    } catch (error) {
      this.#log('error', `${computer.name} could not be looked up: ${messageOf(error)}`);
    }
  }

  /** It runs a system of its own and was started from our media all the same: nobody has called it. */
  async #sendAway({ name, link }: Computer): Promise<void> {
    await link
      .ask({ type: 'leave', how: 'local-disk' })
      .catch((error: unknown) => this.#log('warn', `${name} does not leave: ${messageOf(error)}`));
  }

  /** The computer of an id, if it is connected. */
  find(id: string): Computer | undefined {
    return this.#connected.get(id);
  }

  /**
   * Waits until a computer is connected.
   *
   * @throws {DiskferryError} `COMPUTER_AWAY` when it has not come after half an hour
   * @throws the reason of the signal
   */
  async await(id: string, signal: AbortSignal, limitMs = START_LIMIT_MS): Promise<Computer> {
    for (const deadline = Date.now() + limitMs; Date.now() < deadline; ) {
      signal.throwIfAborted();
      const computer = this.#connected.get(id);
      if (computer !== undefined) return computer;
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
    throw new DiskferryError(
      'COMPUTER_AWAY',
      `the computer has not connected within ${limitMs / 60_000} minutes; start it from the network or from our media`,
    );
  }
}

/** What computers share that are near each other: the first three numbers of IPv4, 64 bits of IPv6. */
export function linkOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  if (isIP(address) === 4) return `${address.split('.').slice(0, 3).join('.')}.0/24`;
  if (isIP(address) !== 6) return undefined;
  const [head = ''] = address.split('::');
  return `${head.split(':').slice(0, 4).join(':')}::/64`;
}
