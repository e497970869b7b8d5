import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { EventLog } from '../events/event-log.ts';
import type { Registry } from '../registry/registry.ts';
import type { Sighting } from '../registry/sighting.ts';
import { standbyAnswer } from '../registry/states/standby-answer.ts';
import type { Computer } from '../serve/computers.ts';
import type { Log } from '../settings/server-settings.ts';

/** How often a computer that is awaited is looked for, in ms. */
const LOOK_EVERY_MS = 500;
/** How often it is looked whether a computer is still wanted that would leave otherwise, in ms. */
const RECONSIDER_EVERY_MS = 5_000;
/** How long a computer may take to start our media and dial in, in ms; servers test their memory for minutes. */
const START_LIMIT_MS = 30 * 60_000;

export interface FleetOptions {
  readonly registry: Registry;
  readonly events: EventLog;
  /** Whether a job runs with that computer, or waits for its turn with it. */
  readonly isWanted: (id: string) => Promise<boolean>;
  readonly log: Log;
}

/** Which of the known computers are connected to this server now. */
export class Fleet {
  readonly #options: FleetOptions;
  /** By id in the registry. */
  readonly #connected = new Map<string, Computer>();
  /** Computers that stay for a job only, by id. */
  readonly #staying = new Map<string, Computer>();

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /**
   * A computer has dialled in: it is looked up in the registry, and is there until it goes. One that shows to be a computer
   * which is there already waits until that one has gone: the first keeps its jobs. Never rejects.
   */
  async attend(computer: Computer): Promise<void> {
    const { inventory, address, enrolment, fingerprint, link } = computer;
    const sighting = { inventory, address, enrolment: enrolment.name, via: 'control', key: fingerprint };
    try {
      await this.#waitForPlace(computer, sighting);
      if (link.signal.aborted) return;
      const seen = await this.#options.registry.seen(sighting);
      const { id, name, state } = seen.computer;
      // Another one that shows to be the same may have been quicker.
      if (this.#rivalOf(computer, id) !== undefined) return await this.attend(computer);
      this.#connected.set(id, computer);
      this.#options.log('info', `${computer.name} is the computer ${name} (${state})`);
      if (standbyAnswer(state) === 'leave') await this.#sendAwayUnlessWanted(computer, id);
      await link.ended;
      if (this.#connected.get(id) === computer) this.#connected.delete(id);
    } catch (error) {
      this.#options.log('error', `${computer.name} could not be looked up: ${messageOf(error)}`);
    }
  }

  /** Who is connected as that computer and is another one, as far as keys tell. */
  #rivalOf({ fingerprint }: Computer, id: string): Computer | undefined {
    const holder = this.#connected.get(id);
    return holder?.fingerprint === fingerprint ? undefined : holder;
  }

  async #waitForPlace(computer: Computer, sighting: Sighting): Promise<void> {
    let isTold = false;
    for (;;) {
      const id = await this.#options.registry.recognise(sighting);
      const rival = id === undefined ? undefined : this.#rivalOf(computer, id);
      // A computer that was started anew has another key, and its old link may not have noticed.
      if (id === undefined || rival === undefined) return;
      if (!(await rival.link.isAlive())) {
        if (this.#connected.get(id) === rival) this.#connected.delete(id);
        return;
      }
      if (!isTold) await this.#tellRivals(id, rival, computer);
      isTold = true;
      await Promise.race([rival.link.ended, computer.link.ended]);
      if (computer.link.signal.aborted) return;
    }
  }

  async #tellRivals(id: string, rival: Computer, { name, address, enrolment }: Computer): Promise<void> {
    const known = await this.#options.registry.get(id);
    const message =
      `A computer at ${address} (admitted by ${enrolment.name}) shows to be ${known.name}, which is connected from ${rival.address}` +
      ' at the same time. It gets none of its jobs. If nobody copied a virtual machine, somebody has a boot medium who should' +
      ' not: revoke its enrolment.';
    this.#options.log('warn', message);
    await this.#options.events.add({
      kind: 'computer.claimed-twice',
      severity: 'alert',
      subject: { kind: 'computer', id },
      message,
      data: { name, address, enrolment: enrolment.name },
    });
  }

  /**
   * A computer that runs a system of its own was started from our media all the same, and no job has called it. But one may
   * be about to: one that waits for its turn, or that was interrupted by the end of a server. It may still be cancelled. Never rejects.
   */
  async #sendAwayUnlessWanted(computer: Computer, id: string): Promise<void> {
    const { isWanted, registry } = this.#options;
    const gone = computer.link.ended.then(() => true);
    this.#staying.set(id, computer);
    try {
      while (this.#staying.get(id) === computer) {
        if (!(await isWanted(id))) {
          const { state } = await registry.get(id);
          const isUnclaimed = this.#staying.get(id) === computer;
          if (isUnclaimed && standbyAnswer(state) === 'leave') await this.#sendAway(computer);
          return;
        }
        const isGone = await new Promise<boolean>((resolve) => {
          void gone.then(resolve);
          setTimeout(resolve, RECONSIDER_EVERY_MS, false).unref();
        });
        if (isGone) return;
      }
    } catch (error) {
      this.#options.log('error', `${computer.name} stays, whatever it is wanted for: ${messageOf(error)}`);
    } finally {
      if (this.#staying.get(id) === computer) this.#staying.delete(id);
    }
  }

  /** A job has begun with a computer, and says itself what the computer does afterwards. */
  claim(id: string): void {
    this.#staying.delete(id);
  }

  async #sendAway({ name, link }: Computer): Promise<void> {
    await link
      .ask({ type: 'leave', how: 'local-disk' })
      .catch((error: unknown) => this.#options.log('warn', `${name} does not leave: ${messageOf(error)}`));
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
