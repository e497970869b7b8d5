import type { Queries } from '../database/database.ts';
import { now } from '../database/rows.ts';
import { RefusedError } from '../refused-error.ts';
import type { Tell } from './change-registry.ts';
import { requireComputer } from './computer.ts';
import { addHistory } from './history.ts';
import { orderedPair } from './known-computers.ts';
import { type InUse, requireUnused } from './registration.ts';
import { updateSearchWords } from './search-text.ts';
import type { ComputerRow } from './tables.ts';

/** Two computers, and who says what they are. */
export interface Pair {
  readonly one: string;
  readonly other: string;
  readonly actor: string;
}

/**
 * Makes two computers one: `other` goes into `one`, which keeps its name, notes and state and gets the rest. What refers to
 * the other's id finds the one.
 *
 * @throws {RefusedError} `COMPUTER_IN_USE`, `COMPUTER_REGISTERED` when the other is registered and the one is not
 */
export async function mergeComputers(
  queries: Queries,
  { one, other, actor }: Pair,
  inUse: InUse,
  tell: Tell,
): Promise<string> {
  const into = await requireComputer(queries, one);
  const from = await requireComputer(queries, other);
  requireTwo(into, from);
  if (from.state !== 'unregistered' && into.state === 'unregistered') {
    throw new RefusedError(
      'COMPUTER_REGISTERED',
      `${from.name} is registered and ${into.name} is not; merge ${into.name} into ${from.name} instead`,
    );
  }
  await requireUnused(queries, from, inUse, `merged into ${into.name}`);
  await moveTraits(queries, from.id, into.id);
  await moveBelongings(queries, from.id, into.id);
  await moveAliases(queries, from, into.id);
  await settleDoubts(queries, into.id, from.id);
  await moveDoubts(queries, from.id, into);
  await takeNewerFacts(queries, from, into);
  await queries.deleteFrom('computers').where('id', '=', from.id).execute();
  await updateSearchWords(queries, into.id);
  await addHistory(queries, into.id, { kind: 'merged', actor, message: `${from.name} was merged into it.` });
  tell({
    kind: 'computer.merged',
    subject: { kind: 'computer', id: into.id },
    message: `The computer ${from.name} was merged into ${into.name}.`,
    data: { id: into.id, name: into.name, oldId: from.id, oldName: from.name, actor },
  });
  return into.id;
}

/** Remembers that two computers are two, so that it is not asked again. */
export async function splitComputers(
  queries: Queries,
  { one, other, actor }: Pair,
  tell: Tell,
): Promise<void> {
  const [first, second] = [await requireComputer(queries, one), await requireComputer(queries, other)];
  requireTwo(first, second);
  await settleDoubts(queries, first.id, second.id);
  await addDifference(queries, first.id, second.id, actor);
  for (const [computer, another] of [
    [first, second],
    [second, first],
  ] as const) {
    const message = `It is another computer than ${another.name}.`;
    await addHistory(queries, computer.id, { kind: 'split', actor, message });
  }
  tell({
    kind: 'computer.split',
    subject: { kind: 'computer', id: first.id },
    message: `The computers ${first.name} and ${second.name} are two.`,
    data: { ids: [first.id, second.id], actor },
  });
}

function requireTwo(one: ComputerRow, other: ComputerRow): void {
  if (one.id !== other.id) return;
  throw new RefusedError('COMPUTER_SAME', `${one.name} is one computer already; name two`);
}

async function addDifference(queries: Queries, id: string, anotherId: string, actor: string): Promise<void> {
  const [oneId, otherId] = orderedPair(id, anotherId);
  await queries
    .insertInto('computerDifferences')
    .values({ oneId, otherId, at: now(), actor })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

async function moveTraits(queries: Queries, from: string, into: string): Promise<void> {
  const traits = await queries
    .selectFrom('computerTraits')
    .selectAll()
    .where('computerId', '=', from)
    .execute();
  if (traits.length === 0) return;
  await queries
    .insertInto('computerTraits')
    .values(traits.map((trait) => ({ ...trait, computerId: into })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** History, tags, groups, and what was said to be another computer. */
async function moveBelongings(queries: Queries, from: string, into: string): Promise<void> {
  await queries
    .updateTable('computerHistory')
    .set({ computerId: into })
    .where('computerId', '=', from)
    .execute();
  const tags = await queries.selectFrom('computerTags').selectAll().where('computerId', '=', from).execute();
  for (const { tag } of tags) {
    await queries
      .insertInto('computerTags')
      .values({ computerId: into, tag })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  const groups = await queries
    .selectFrom('computerGroupMembers')
    .selectAll()
    .where('computerId', '=', from)
    .execute();
  for (const { groupId } of groups) {
    await queries
      .insertInto('computerGroupMembers')
      .values({ computerId: into, groupId })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  const differences = await queries
    .selectFrom('computerDifferences')
    .selectAll()
    .where((builder) => builder.or([builder('oneId', '=', from), builder('otherId', '=', from)]))
    .execute();
  for (const { oneId, otherId, actor } of differences) {
    const another = oneId === from ? otherId : oneId;
    if (another !== into) await addDifference(queries, into, another, actor);
  }
}

async function moveAliases(queries: Queries, from: ComputerRow, into: string): Promise<void> {
  await queries
    .updateTable('computerAliases')
    .set({ computerId: into })
    .where('computerId', '=', from.id)
    .execute();
  await queries
    .insertInto('computerAliases')
    .values({ oldId: from.id, computerId: into, oldName: from.name, at: now() })
    .execute();
}

async function settleDoubts(queries: Queries, id: string, anotherId: string): Promise<void> {
  for (const [computerId, candidateId] of [
    [id, anotherId],
    [anotherId, id],
  ] as const) {
    await queries
      .deleteFrom('computerDoubts')
      .where('computerId', '=', computerId)
      .where('candidateId', '=', candidateId)
      .execute();
  }
}

/** Who might have been the other may be the one now; and the one may be who the other might have been. */
async function moveDoubts(queries: Queries, from: string, into: ComputerRow): Promise<void> {
  const doubts = await queries
    .selectFrom('computerDoubts')
    .selectAll()
    .where((builder) => builder.or([builder('candidateId', '=', from), builder('computerId', '=', from)]))
    .execute();
  for (const doubt of doubts) {
    const moved = doubt.candidateId === from ? { candidateId: into.id } : { computerId: into.id };
    // A registered computer is in no doubt itself.
    if (doubt.computerId === from && into.state !== 'unregistered') continue;
    await queries
      .insertInto('computerDoubts')
      .values({ ...doubt, ...moved })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

/** What was seen later is what is there now. */
async function takeNewerFacts(queries: Queries, from: ComputerRow, into: ComputerRow): Promise<void> {
  const firstSeen = from.firstSeen < into.firstSeen ? from.firstSeen : into.firstSeen;
  await queries.updateTable('computers').set({ firstSeen }).where('id', '=', into.id).execute();
  if (from.lastSeen <= into.lastSeen) return;
  const { manufacturer, product, hardwareId, lastSeen, address, enrolment, via, searchHardware } = from;
  await queries
    .updateTable('computers')
    .set({ manufacturer, product, hardwareId, lastSeen, address, enrolment, via, searchHardware })
    .where('id', '=', into.id)
    .execute();
  await queries.deleteFrom('computerInventories').where('computerId', '=', into.id).execute();
  await queries
    .updateTable('computerInventories')
    .set({ computerId: into.id })
    .where('computerId', '=', from.id)
    .execute();
}
