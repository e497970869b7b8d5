import type { Queries } from '../database/database.ts';
import { now } from '../database/rows.ts';
import { type Trait, TRAIT_WORDS, type TraitKind, traitKey } from './traits.ts';

/**
 * Gives a computer the traits that it shows. Of a kind of which it shows none, the old ones stay: a card that is switched
 * off, or a client that tells less, does not make it forget.
 *
 * @returns a sentence for each change
 */
export async function replaceTraits(
  queries: Queries,
  computerId: string,
  traits: readonly Trait[],
): Promise<string[]> {
  const before = await queries
    .selectFrom('computerTraits')
    .select(['kind', 'value'])
    .where('computerId', '=', computerId)
    .orderBy('kind')
    .orderBy('value')
    .execute();
  const shown = new Set(traits.map(traitKey));
  const had = new Set(before.map(traitKey));
  const shownKinds = new Set(traits.map(({ kind }) => kind));
  const gone = before.filter((trait) => isReplaced(trait, shownKinds) && !shown.has(traitKey(trait)));
  const added = traits.filter((trait) => !had.has(traitKey(trait)));
  for (const { kind, value } of gone) {
    await queries
      .deleteFrom('computerTraits')
      .where('computerId', '=', computerId)
      .where('kind', '=', kind)
      .where('value', '=', value)
      .execute();
  }
  if (added.length > 0) {
    const firstSeen = now();
    await queries
      .insertInto('computerTraits')
      .values(added.map(({ kind, value }) => ({ computerId, kind, value, firstSeen })))
      .execute();
  }
  return [
    ...gone.map(({ kind, value }) => `The ${TRAIT_WORDS[kind]} ${value} is gone.`),
    ...added.map(({ kind, value }) => `The ${TRAIT_WORDS[kind]} ${value} is new.`),
  ];
}

/** A key stands in for everything else, and goes when there is something else. */
function isReplaced({ kind }: Trait, shown: ReadonlySet<TraitKind>): boolean {
  return shown.has(kind) || (kind === 'key' && shown.size > 0);
}
