import type { DeploymentState } from './states/deployment-state.ts';
import type { TraitKind } from './traits.ts';

export interface RegistryTables {
  readonly computers: ComputerRow;
  readonly computerTraits: TraitRow;
  readonly computerInventories: InventoryRow;
  readonly computerDoubts: DoubtRow;
  readonly computerDifferences: DifferenceRow;
  readonly computerAliases: AliasRow;
  readonly computerHistory: HistoryRow;
  readonly computerTags: TagRow;
  readonly computerGroups: GroupRow;
  readonly computerGroupMembers: GroupMemberRow;
  readonly registrationRules: RegistrationRuleRow;
  readonly hardwareConfigurations: HardwareRow;
  readonly registryLock: RegistryLockRow;
}

/** A managed computer. What belongs to it goes with it. */
export interface ComputerRow {
  readonly id: string;
  readonly name: string;
  /** The name in lower case, which nobody else has. */
  readonly nameKey: string;
  readonly state: DeploymentState;
  readonly notes: string;
  readonly manufacturer: string | null;
  readonly product: string | null;
  readonly hardwareId: string | null;
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** From where it was seen last; with NAT, not its own address. */
  readonly address: string | null;
  /** The enrolment that admitted it last. */
  readonly enrolment: string | null;
  /** How it was seen last, such as "control". */
  readonly via: string;
  /** Null while it is unregistered. */
  readonly registeredAt: string | null;
  readonly registeredBy: string | null;
  /** Lower case, for the search: traits and words of the firmware. */
  readonly searchHardware: string;
  /** Lower case, for the search: name, notes and tags. */
  readonly searchWords: string;
}

/** What it is recognised by. Two computers may have one value: clones, and bad values that are not known yet. */
export interface TraitRow {
  readonly computerId: string;
  readonly kind: TraitKind;
  readonly value: string;
  readonly firstSeen: string;
}

/** What it said of itself last, as JSON. */
export interface InventoryRow {
  readonly computerId: string;
  readonly inventory: string;
}

/** An unregistered computer may be one that is known: an administrator has to say so, or that it is not. */
export interface DoubtRow {
  readonly computerId: string;
  readonly candidateId: string;
  /** JSON: a list of sentences. */
  readonly reasons: string;
  readonly at: string;
}

/** An administrator has said that these are two. The lower id is the first. */
export interface DifferenceRow {
  readonly oneId: string;
  readonly otherId: string;
  readonly at: string;
  readonly actor: string;
}

/** What was merged into a computer: references to the old id lead to it. */
export interface AliasRow {
  readonly oldId: string;
  readonly computerId: string;
  readonly oldName: string;
  readonly at: string;
}

/** What happened to a computer. */
export interface HistoryRow {
  readonly id: string;
  readonly computerId: string;
  readonly at: string;
  readonly kind: HistoryKind;
  /** Who did it: a user, a rule, a job, the server. */
  readonly actor: string;
  /** Of a change of state. */
  readonly cause: string | null;
  readonly fromState: DeploymentState | null;
  readonly toState: DeploymentState | null;
  /** A sentence. */
  readonly message: string;
}

export type HistoryKind = 'seen' | 'state' | 'hardware' | 'disk' | 'changed' | 'merged' | 'split';

export interface TagRow {
  readonly computerId: string;
  readonly tag: string;
}

export interface GroupRow {
  readonly id: string;
  readonly name: string;
  readonly nameKey: string;
}

export interface GroupMemberRow {
  readonly groupId: string;
  readonly computerId: string;
}

/** What registers computers without an administrator. */
export interface RegistrationRuleRow {
  readonly id: string;
  /** From 1, without gaps; the first that matches counts. */
  readonly position: number;
  readonly name: string;
  /** 0 or 1. */
  readonly enabled: number;
  /** JSON. */
  readonly conditions: string;
  readonly namePattern: string;
  readonly groupName: string | null;
}

/** Hardware that equal machines share. */
export interface HardwareRow {
  readonly id: string;
  /** SHA-256 of the description; "known:ID" of what is known before anybody has it. */
  readonly hash: string;
  readonly title: string;
  /** The id of the known virtual hardware that it is; null for physical computers. */
  readonly knownId: string | null;
  /** JSON. */
  readonly description: string;
  readonly firstSeen: string;
}

/** One row. Who changes it has the right to say which computer is which alone until the end of his transaction. */
export interface RegistryLockRow {
  readonly id: number;
}
