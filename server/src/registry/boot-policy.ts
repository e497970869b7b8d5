import {
  type BootPolicy,
  type Decision,
  type Gate,
  type MachineFacts,
  type Ruling,
  UNKNOWN_MACHINES,
} from '../pxe/boot-decision.ts';
import type { BootTrait, Registry } from './registry.ts';
import { bootDecision } from './states/standby-answer.ts';

/** How often the registry is looked at where the DHCP side must know who is in it, in ms. */
const LOOK_EVERY_MS = 2_000;

export interface RegistryBootPolicyOptions {
  /** For machines that nobody has seen yet, and for those that cannot be told apart. */
  readonly unknown: Decision;
  /** Whether all UEFI machines get signed loaders. */
  readonly secureBoot?: boolean;
}

/** Decides what machines start by the states of the registered computers. */
export class RegistryBootPolicy implements BootPolicy {
  readonly #registry: Registry;
  readonly #unknown: Decision;
  readonly #secureBoot: boolean;

  constructor(registry: Registry, { unknown, secureBoot = false }: RegistryBootPolicyOptions) {
    this.#registry = registry;
    this.#unknown = unknown;
    this.#secureBoot = secureBoot;
  }

  async decide(machine: MachineFacts): Promise<Ruling> {
    const computer = await this.#registry.recogniseBoot(machine);
    if (computer === undefined) return { decision: this.#unknown, by: 'unknown' };
    return { decision: bootDecision(computer.state), by: computer.by };
  }

  /** Nothing changes yet: the computer shows itself when its client dials in. */
  async booted(): Promise<void> {}

  async gate(): Promise<Gate> {
    const unknown = this.#unknown !== 'ignore';
    const isLocal = ({ state }: BootTrait): boolean => bootDecision(state) === 'local';
    const traits = this.#namesNobody() ? [] : await this.#registry.bootTraits();
    // Where everybody is answered, only those have to be named that shall not get a signed loader.
    const named = unknown ? traits.filter(isLocal) : traits;
    const ofKind = (wanted: 'mac' | 'uuid'): ReadonlyMap<string, boolean> =>
      new Map(named.filter(({ kind }) => kind === wanted).map(({ value }) => [value, true]));
    const local = traits.filter(isLocal).map(({ value }) => value);
    return {
      unknown,
      macs: ofKind('mac'),
      uuids: ofKind('uuid'),
      signed: this.#secureBoot ? 'all' : new Set(),
      local: new Set(this.#unknown === 'local' ? [...local, UNKNOWN_MACHINES] : local),
    };
  }

  /** Changes of this process are told at once; for those of others the registry is looked at from time to time. */
  onChange(listener: () => void): () => void {
    if (this.#namesNobody()) return () => {};
    let known: string | undefined;
    const look = async (): Promise<void> => {
      const traits = JSON.stringify(await this.#registry.bootTraits());
      if (known !== undefined && traits !== known) listener();
      known = traits;
    };
    // Where the database is away, what was known counts on.
    const timer = setInterval(() => void look().catch(() => {}), LOOK_EVERY_MS).unref();
    const leave = this.#registry.onChange(listener);
    return () => {
      clearInterval(timer);
      leave();
    };
  }

  /** Everybody is answered, and all that is decided is decided when they ask. */
  #namesNobody(): boolean {
    return this.#unknown !== 'ignore' && !this.#secureBoot;
  }
}
