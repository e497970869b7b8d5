import type { Queries } from '../database/database.ts';
import type { Known } from './matching.ts';
import type { Trait } from './traits.ts';

/** The computers that have one of these traits, with all of theirs. */
export async function knownWithOneOf(queries: Queries, traits: readonly Trait[]): Promise<Known[]> {
  if (traits.length === 0) return [];
  const holders = await queries
    .selectFrom('computerTraits')
    .select('computerId')
    .distinct()
    .where((builder) =>
      builder.or(
        // Not one condition a trait: a server may have hundreds of disks.
        [...Map.groupBy(traits, ({ kind }) => kind)].map(([kind, own]) =>
          builder.and([
            builder('kind', '=', kind),
            builder(
              'value',
              'in',
              own.map(({ value }) => value),
            ),
          ]),
        ),
      ),
    )
    .execute();
  if (holders.length === 0) return [];
  const ids = holders.map(({ computerId }) => computerId);
  const rows = await queries
    .selectFrom('computerTraits')
    .innerJoin('computers', 'computers.id', 'computerId')
    .select(['computerId', 'name', 'kind', 'value'])
    .where('computerId', 'in', ids)
    .execute();
  return [...Map.groupBy(rows, ({ computerId }) => computerId)].map(([id, own]) => ({
    id,
    name: own[0]?.name ?? id,
    traits: own.map(({ kind, value }) => ({ kind, value })),
  }));
}

/** Which of them an administrator has told apart. */
export async function differencesAmong(
  queries: Queries,
  known: readonly Known[],
): Promise<(oneId: string, otherId: string) => boolean> {
  if (known.length < 2) return () => false;
  const ids = known.map(({ id }) => id);
  const rows = await queries
    .selectFrom('computerDifferences')
    .select(['oneId', 'otherId'])
    .where('oneId', 'in', ids)
    .where('otherId', 'in', ids)
    .execute();
  const pairs = new Set(rows.map(({ oneId, otherId }) => `${oneId} ${otherId}`));
  return (oneId, otherId) => pairs.has(orderedPair(oneId, otherId).join(' '));
}

/** Two ids in the order in which a pair is kept. */
export function orderedPair(oneId: string, otherId: string): readonly [string, string] {
  return oneId < otherId ? [oneId, otherId] : [otherId, oneId];
}
