import type { Queries } from '../database/database.ts';
import { RefusedError } from '../refused-error.ts';
import { changeState } from './change-state.ts';
import type { Tell } from './change-registry.ts';
import { requireComputer } from './computer.ts';
import { addHistory } from './history.ts';
import { nameKeyOf, requireComputerName, requireFreeName } from './names.ts';
import { updateSearchWords } from './search-text.ts';

/** What people say of a computer. */
export interface ComputerWords {
  readonly name?: string | undefined;
  readonly notes?: string | undefined;
}

/** Tells in a sentence what holds a computer, such as a job; undefined where nothing does. */
export type InUse = (computerId: string, queries: Queries) => Promise<string | undefined>;

/**
 * Makes an unregistered computer a registered one.
 *
 * @throws {RefusedError} `COMPUTER_DOUBTFUL`, `COMPUTER_NAME_TAKEN`
 * @throws {StateError} `STATE_NOT_ALLOWED` when it is registered already
 */
export async function registerComputer(
  queries: Queries,
  idOrName: string,
  { name, notes, actor }: ComputerWords & { readonly actor: string },
  tell: Tell,
): Promise<string> {
  const { id, name: oldName } = await requireComputer(queries, idOrName);
  const doubt = await queries
    .selectFrom('computerDoubts')
    .innerJoin('computers', 'computers.id', 'candidateId')
    .select('name')
    .where('computerId', '=', id)
    .executeTakeFirst();
  if (doubt !== undefined) {
    throw new RefusedError(
      'COMPUTER_DOUBTFUL',
      `${oldName} may be ${doubt.name}: first merge them, or split them`,
    );
  }
  await updateComputerWords(queries, id, { name, notes, actor });
  await changeState(queries, id, { cause: 'registered', actor }, tell);
  return id;
}

/**
 * Changes what is given.
 *
 * @throws {RefusedError} `COMPUTER_NAME_TAKEN`
 */
export async function updateComputerWords(
  queries: Queries,
  idOrName: string,
  { name, notes, actor }: ComputerWords & { readonly actor: string },
): Promise<string> {
  const before = await requireComputer(queries, idOrName);
  const { id } = before;
  if (name !== undefined && name !== before.name) {
    requireComputerName(name);
    await requireFreeName(queries, name, id);
    await queries
      .updateTable('computers')
      .set({ name, nameKey: nameKeyOf(name) })
      .where('id', '=', id)
      .execute();
    await addHistory(queries, id, {
      kind: 'changed',
      actor,
      message: `Renamed from ${before.name} to ${name}.`,
    });
  }
  if (notes !== undefined && notes !== before.notes) {
    await queries.updateTable('computers').set({ notes }).where('id', '=', id).execute();
    await addHistory(queries, id, { kind: 'changed', actor, message: 'The notes were changed.' });
  }
  await updateSearchWords(queries, id);
  return id;
}

/**
 * Deletes a computer and all that is known of it. If it shows itself again, it is a new one.
 *
 * @throws {RefusedError} `COMPUTER_IN_USE`
 */
export async function forgetComputer(
  queries: Queries,
  idOrName: string,
  { actor, inUse }: { readonly actor: string; readonly inUse: InUse },
  tell: Tell,
): Promise<void> {
  const { id, name } = await requireComputer(queries, idOrName);
  await requireUnused(queries, { id, name }, inUse, 'forgotten');
  await queries.deleteFrom('computers').where('id', '=', id).execute();
  tell({
    kind: 'computer.forgotten',
    subject: { kind: 'computer', id },
    message: `The computer ${name} was forgotten.`,
    data: { name, actor },
  });
}

/** @throws {RefusedError} `COMPUTER_IN_USE` */
export async function requireUnused(
  queries: Queries,
  { id, name }: { readonly id: string; readonly name: string },
  inUse: InUse,
  what: string,
): Promise<void> {
  const holder = await inUse(id, queries);
  if (holder === undefined) return;
  throw new RefusedError('COMPUTER_IN_USE', `${name} cannot be ${what} now: ${holder}`);
}
