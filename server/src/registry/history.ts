import type { Queries } from '../database/database.ts';
import { newId, now } from '../database/rows.ts';
import type { DeploymentState, StateCause } from './states/deployment-state.ts';
import type { HistoryKind, HistoryRow } from './tables.ts';

/** Something that happened to a computer, as the API shows it. */
export interface HistoryEntry {
  readonly id: string;
  readonly at: string;
  readonly kind: HistoryKind;
  /** Who did it. */
  readonly actor: string;
  readonly message: string;
  /** Of a change of state. */
  readonly change?: {
    readonly cause: StateCause;
    readonly from: DeploymentState;
    readonly to: DeploymentState;
  };
}

export type NewHistoryEntry = Omit<HistoryEntry, 'id' | 'at'>;

const DEFAULT_LIMIT = 100;

/** Writes an entry down, in the transaction of what it tells of. */
export async function addHistory(
  queries: Queries,
  computerId: string,
  entry: NewHistoryEntry,
): Promise<void> {
  const { kind, actor, message, change } = entry;
  const row: HistoryRow = {
    id: newId(),
    computerId,
    at: now(),
    kind,
    actor,
    message,
    cause: change?.cause ?? null,
    fromState: change?.from ?? null,
    toState: change?.to ?? null,
  };
  await queries.insertInto('computerHistory').values(row).execute();
}

/**
 * What happened to a computer, newest first.
 *
 * @param before entries before this one only
 */
export async function listHistory(
  queries: Queries,
  computerId: string,
  { before, limit = DEFAULT_LIMIT }: { readonly before?: string | undefined; readonly limit?: number } = {},
): Promise<HistoryEntry[]> {
  let query = queries
    .selectFrom('computerHistory')
    .selectAll()
    .where('computerId', '=', computerId)
    .orderBy('id', 'desc')
    .limit(limit);
  if (before !== undefined) query = query.where('id', '<', before);
  return (await query.execute()).map(entryOf);
}

function entryOf({ id, at, kind, actor, message, cause, fromState, toState }: HistoryRow): HistoryEntry {
  const entry = { id, at, kind, actor, message };
  if (cause === null || fromState === null || toState === null) return entry;
  return { ...entry, change: { cause: cause as StateCause, from: fromState, to: toState } };
}
