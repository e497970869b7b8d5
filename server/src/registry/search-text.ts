import type { Inventory } from '@diskferry/protocol/inventory';
import type { Queries } from '../database/database.ts';

/** What of an inventory can be searched for, also what does not identify, such as the address of a dock. */
export function searchTextOf({ computer, processors, nics, disks }: Inventory): string {
  return joined([
    ...Object.values(computer),
    processors.model,
    ...nics.map(({ mac }) => mac),
    ...disks.flatMap(({ model, serial, wwn }) => [model, serial, wwn]),
  ]);
}

/** Makes what people have written of a computer searchable, after it was changed. */
export async function updateSearchWords(queries: Queries, computerId: string): Promise<void> {
  const { name, notes } = await queries
    .selectFrom('computers')
    .select(['name', 'notes'])
    .where('id', '=', computerId)
    .executeTakeFirstOrThrow();
  const tags = await queries
    .selectFrom('computerTags')
    .select('tag')
    .where('computerId', '=', computerId)
    .execute();
  const searchWords = joined([name, notes, ...tags.map(({ tag }) => tag)]);
  await queries.updateTable('computers').set({ searchWords }).where('id', '=', computerId).execute();
}

/** One a line: no word is found across two of them. */
function joined(words: readonly (string | undefined)[]): string {
  return words
    .filter((word) => word !== undefined && word !== '')
    .join('\n')
    .toLowerCase();
}
