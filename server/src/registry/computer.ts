import type { Inventory } from '@diskferry/protocol/inventory';
import { DiskferryError } from '@diskferry/system/errors';
import type { Queries } from '../database/database.ts';
import type { HardwareDescription } from './hardware/description.ts';
import { nameKeyOf } from './names.ts';
import type { DeploymentState } from './states/deployment-state.ts';
import type { ComputerRow } from './tables.ts';
import type { TraitKind } from './traits.ts';

/** A managed computer, as lists show it. */
export interface ComputerSummary {
  readonly id: string;
  readonly name: string;
  readonly state: DeploymentState;
  readonly notes: string;
  readonly manufacturer: string | undefined;
  readonly product: string | undefined;
  readonly hardwareId: string | undefined;
  /** ISO 8601, as all times. */
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly address: string | undefined;
  readonly enrolment: string | undefined;
  readonly via: string;
  /** Undefined while it is unregistered. */
  readonly registeredAt: string | undefined;
  readonly registeredBy: string | undefined;
  readonly tags: readonly string[];
  /** Names of the groups that it is in. */
  readonly groups: readonly string[];
  /** Computers that it may be: an administrator has to merge or to split them. */
  readonly doubts: readonly Doubt[];
}

/** One computer with all that belongs to it. */
export interface ComputerDetails extends ComputerSummary {
  readonly traits: readonly {
    readonly kind: TraitKind;
    readonly value: string;
    readonly firstSeen: string;
  }[];
  /** What it said of itself last. */
  readonly inventory: Inventory | undefined;
  readonly hardware: HardwareRecord | undefined;
  /** What was merged into it. */
  readonly aliases: readonly { readonly id: string; readonly name: string; readonly at: string }[];
}

export interface Doubt {
  readonly candidateId: string;
  readonly candidateName: string;
  /** Sentences. */
  readonly reasons: readonly string[];
  readonly at: string;
}

/** Hardware that equal machines share. */
export interface HardwareRecord {
  readonly id: string;
  readonly hash: string;
  readonly title: string;
  /** Of the known virtual hardware that it is. */
  readonly knownId: string | undefined;
  readonly description: HardwareDescription | KnownDescription;
  readonly firstSeen: string;
  /** How many computers have it. */
  readonly computers: number;
}

/** What a record says of virtual hardware that nobody has to have. */
export interface KnownDescription {
  readonly firmware: readonly string[];
  readonly storage: readonly { readonly name: string; readonly bus: string; readonly id: string }[];
  readonly network: readonly { readonly name: string; readonly bus: string; readonly id: string }[];
}

/** @throws {DiskferryError} `COMPUTER_MISSING` */
export async function requireComputer(queries: Queries, idOrName: string): Promise<ComputerRow> {
  const found = await findComputer(queries, idOrName);
  if (found !== undefined) return found;
  throw new DiskferryError('COMPUTER_MISSING', `no computer is called ${idOrName}, and none has that id`);
}

/** By id, by the id of what was merged into it, or by name. */
export async function findComputer(queries: Queries, idOrName: string): Promise<ComputerRow | undefined> {
  const all = queries.selectFrom('computers').selectAll();
  return (
    (await all.where('id', '=', idOrName).executeTakeFirst()) ??
    (await all.where('nameKey', '=', nameKeyOf(idOrName)).executeTakeFirst()) ??
    (await queries
      .selectFrom('computerAliases')
      .innerJoin('computers', 'computers.id', 'computerAliases.computerId')
      .selectAll('computers')
      .where('oldId', '=', idOrName)
      .executeTakeFirst())
  );
}

/** Adds tags, groups and doubts to rows, with one query for each of the three. */
export async function summariesOf(
  queries: Queries,
  rows: readonly ComputerRow[],
): Promise<ComputerSummary[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const tags = await queries
    .selectFrom('computerTags')
    .selectAll()
    .where('computerId', 'in', ids)
    .orderBy('tag')
    .execute();
  const groups = await queries
    .selectFrom('computerGroupMembers')
    .innerJoin('computerGroups', 'computerGroups.id', 'groupId')
    .select(['computerId', 'name'])
    .where('computerId', 'in', ids)
    .orderBy('nameKey')
    .execute();
  const doubts = await queries
    .selectFrom('computerDoubts')
    .innerJoin('computers', 'computers.id', 'candidateId')
    .select(['computerId', 'candidateId', 'name as candidateName', 'reasons', 'at'])
    .where('computerId', 'in', ids)
    .orderBy('candidateId')
    .execute();
  const byComputer = <T extends { readonly computerId: string }>(list: readonly T[]): Map<string, T[]> =>
    Map.groupBy(list, ({ computerId }) => computerId);
  const [tagsOf, groupsOf, doubtsOf] = [byComputer(tags), byComputer(groups), byComputer(doubts)];
  return rows.map((row) => ({
    ...factsOf(row),
    tags: (tagsOf.get(row.id) ?? []).map(({ tag }) => tag),
    groups: (groupsOf.get(row.id) ?? []).map(({ name }) => name),
    doubts: (doubtsOf.get(row.id) ?? []).map(({ candidateId, candidateName, reasons, at }) => ({
      candidateId,
      candidateName,
      reasons: JSON.parse(reasons) as string[],
      at,
    })),
  }));
}

/** One of them. */
export async function summaryOf(queries: Queries, row: ComputerRow): Promise<ComputerSummary> {
  const [summary] = await summariesOf(queries, [row]);
  return summary as ComputerSummary;
}

type Facts = Omit<ComputerSummary, 'tags' | 'groups' | 'doubts'>;

function factsOf(row: ComputerRow): Facts {
  const { id, name, state, notes, firstSeen, lastSeen, via } = row;
  return {
    id,
    name,
    state,
    notes,
    manufacturer: row.manufacturer ?? undefined,
    product: row.product ?? undefined,
    hardwareId: row.hardwareId ?? undefined,
    firstSeen,
    lastSeen,
    address: row.address ?? undefined,
    enrolment: row.enrolment ?? undefined,
    via,
    registeredAt: row.registeredAt ?? undefined,
    registeredBy: row.registeredBy ?? undefined,
  };
}
