/** What a machine may do that starts from the network. */
export const DECISIONS = ['boot', 'local', 'refuse', 'ignore'] as const;

/**
 * - `boot`: it boots the secondary OS.
 * - `local`: it starts from its own disk, because we say so.
 * - `refuse`: its screen says that this server refuses it, and it goes on to what its firmware tries next.
 * - `ignore`: it gets no answer at all, so that its start is as if this server were not there.
 */
export type Decision = (typeof DECISIONS)[number];

/** What is known of a machine when it asks. All of it is what the machine says of itself. */
export interface MachineFacts {
  /** Of the card that it boots from, with colons. */
  readonly mac: string;
  /** Undefined where the maker did not set it. */
  readonly uuid: string | undefined;
  readonly firmware: 'bios' | 'uefi';
  /** Its address in the network. */
  readonly address: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly serial: string;
}

export interface Ruling {
  readonly decision: Decision;
  /** Why: a rule for its MAC address or its UUID, or what counts for machines that nobody named. */
  readonly by: 'mac' | 'uuid' | 'unknown';
}

/** Whom the DHCP side answers: it must know so before a machine asks. */
export interface Gate {
  /** Whether it answers machines that no rule names. */
  readonly unknown: boolean;
  readonly macs: ReadonlyMap<string, boolean>;
  readonly uuids: ReadonlyMap<string, boolean>;
  /** Which of them start signed loaders only, by MAC address or UUID. No firmware tells in its question. */
  readonly signed: ReadonlySet<string> | 'all';
  /** Which are to start from their own disk, by MAC address or UUID; `unknown` stands for those that no rule names. */
  readonly local: ReadonlySet<string>;
}

/** In `Gate.local`: machines that no rule names. */
export const UNKNOWN_MACHINES = 'unknown';

/** Who decides what machines boot: today the rules file, later whatever else knows machines. */
export interface BootPolicy {
  /** Asked each time that a machine asks. */
  decide(machine: MachineFacts): Promise<Ruling>;
  /** Told that a machine has got all it needs for the secondary OS. */
  booted(machine: MachineFacts): Promise<void>;
  gate(): Promise<Gate>;
  /** Calls back when the gate may have changed, until the returned function is called. */
  onChange(listener: () => void): () => void;
}
