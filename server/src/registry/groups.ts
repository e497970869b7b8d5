import { DiskferryError } from '@diskferry/system/errors';
import type { Queries } from '../database/database.ts';
import { newId } from '../database/rows.ts';
import { RefusedError } from '../refused-error.ts';
import { requireComputer } from './computer.ts';
import { nameKeyOf, requireLabel } from './names.ts';
import { updateSearchWords } from './search-text.ts';

/** Computers that people name together. */
export interface ComputerGroup {
  readonly id: string;
  readonly name: string;
  /** How many computers are in it. */
  readonly members: number;
}

export async function listGroups(queries: Queries): Promise<ComputerGroup[]> {
  const rows = await queries
    .selectFrom('computerGroups')
    .leftJoin('computerGroupMembers', 'groupId', 'computerGroups.id')
    .select(['computerGroups.id', 'name', ({ fn }) => fn.count('computerId').as('members')])
    .groupBy(['computerGroups.id', 'name', 'nameKey'])
    .orderBy('nameKey')
    .execute();
  return rows.map(({ id, name, members }) => ({ id, name, members: Number(members) }));
}

/** @throws {RefusedError} `GROUP_EXISTS` */
export async function createGroup(queries: Queries, wished: string): Promise<ComputerGroup> {
  const name = requireLabel(wished, 'group');
  const other = await findGroup(queries, name);
  if (other !== undefined) throw new RefusedError('GROUP_EXISTS', `there is a group ${other.name} already`);
  const row = { id: newId(), name, nameKey: nameKeyOf(name) };
  await queries.insertInto('computerGroups').values(row).execute();
  return { id: row.id, name, members: 0 };
}

/** Deletes a group; its computers stay. */
export async function deleteGroup(queries: Queries, idOrName: string): Promise<void> {
  const { id } = await requireGroup(queries, idOrName);
  await queries.deleteFrom('computerGroups').where('id', '=', id).execute();
}

/** Puts computers into a group; those that are in it stay. */
export async function addToGroup(
  queries: Queries,
  idOrName: string,
  computers: readonly string[],
): Promise<void> {
  const { id } = await requireGroup(queries, idOrName);
  for (const computer of computers) await putInto(queries, id, (await requireComputer(queries, computer)).id);
}

export async function removeFromGroup(
  queries: Queries,
  idOrName: string,
  computers: readonly string[],
): Promise<void> {
  const { id } = await requireGroup(queries, idOrName);
  for (const computer of computers) {
    const { id: computerId } = await requireComputer(queries, computer);
    await queries
      .deleteFrom('computerGroupMembers')
      .where('groupId', '=', id)
      .where('computerId', '=', computerId)
      .execute();
  }
}

/** Ids of the computers in a group, in the order of their names. */
export async function groupMembers(queries: Queries, idOrName: string): Promise<string[]> {
  const { id } = await requireGroup(queries, idOrName);
  const rows = await queries
    .selectFrom('computerGroupMembers')
    .innerJoin('computers', 'computers.id', 'computerId')
    .select('computers.id')
    .where('groupId', '=', id)
    .orderBy('nameKey')
    .execute();
  return rows.map((row) => row.id);
}

/** Puts a computer into a group, which is made if it is not there. */
export async function putIntoNamedGroup(queries: Queries, name: string, computerId: string): Promise<void> {
  const { id } = (await findGroup(queries, name)) ?? (await createGroup(queries, name));
  await putInto(queries, id, computerId);
}

/** Gives a computer these tags and no others. Tags are lower case. */
export async function setTags(queries: Queries, computerId: string, tags: readonly string[]): Promise<void> {
  const wanted = [...new Set(tags.map((tag) => requireLabel(tag, 'tag').toLowerCase()))];
  await queries.deleteFrom('computerTags').where('computerId', '=', computerId).execute();
  if (wanted.length > 0) {
    await queries
      .insertInto('computerTags')
      .values(wanted.map((tag) => ({ computerId, tag })))
      .execute();
  }
  await updateSearchWords(queries, computerId);
}

/** @throws {DiskferryError} `GROUP_MISSING` */
async function requireGroup(queries: Queries, idOrName: string): Promise<{ readonly id: string }> {
  const group = await findGroup(queries, idOrName);
  if (group !== undefined) return group;
  throw new DiskferryError('GROUP_MISSING', `there is no group ${idOrName}`);
}

async function findGroup(
  queries: Queries,
  idOrName: string,
): Promise<{ readonly id: string; readonly name: string } | undefined> {
  return queries
    .selectFrom('computerGroups')
    .select(['id', 'name'])
    .where((builder) =>
      builder.or([builder('id', '=', idOrName), builder('nameKey', '=', nameKeyOf(idOrName))]),
    )
    .executeTakeFirst();
}

async function putInto(queries: Queries, groupId: string, computerId: string): Promise<void> {
  await queries
    .insertInto('computerGroupMembers')
    .values({ groupId, computerId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
