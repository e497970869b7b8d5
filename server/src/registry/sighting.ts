import type { Inventory } from '@diskferry/protocol/inventory';
import type { Queries } from '../database/database.ts';
import { newId, now } from '../database/rows.ts';
import { computerName } from '../serve/computer-name.ts';
import type { Tell } from './change-registry.ts';
import { changesBetween, hardwareRecordFor } from './hardware/records.ts';
import { addHistory } from './history.ts';
import { differencesAmong, knownWithOneOf } from './known-computers.ts';
import { type Comparison, type Match, matchComputer } from './matching.ts';
import { firstFreeName, nameKeyOf, numbered } from './names.ts';
import { searchTextOf } from './search-text.ts';
import type { ComputerRow } from './tables.ts';
import { replaceTraits } from './trait-changes.ts';
import { type Trait, traitsOf } from './traits.ts';

/** A computer that has shown itself. */
export interface Sighting {
  readonly inventory: Inventory;
  /** From where; with NAT, not its own address. */
  readonly address?: string | undefined;
  /** Name of the enrolment that admitted it. */
  readonly enrolment?: string | undefined;
  /** How, such as "control" for the control channel of a managed client. */
  readonly via: string;
  /** Fingerprint of its client's key. By it a computer that has no other trait is known until its next start. */
  readonly key?: string | undefined;
}

export type SightingOutcome = 'same' | 'new' | 'doubtful';

/** What a sighting means, before anything is written. */
interface Recognised {
  readonly traits: readonly Trait[];
  readonly match: Match;
}

/** `last_seen` is not written more often, in ms: a thousand computers tell their inventory every few seconds. */
const TOUCH_INTERVAL_MS = 30_000;
const SERVER = 'server';

/** Which known computer it is for certain. Changes nothing. */
export async function recogniseComputer(queries: Queries, sighting: Sighting): Promise<string | undefined> {
  const { match } = await recognise(queries, sighting);
  return match.kind === 'same' ? match.id : undefined;
}

/** Which computer it is. */
async function recognise(queries: Queries, { inventory, key }: Sighting): Promise<Recognised> {
  const own = traitsOf(inventory);
  const traits: readonly Trait[] =
    own.length > 0 || key === undefined ? own : [{ kind: 'key', value: key.toLowerCase() }];
  const known = await knownWithOneOf(queries, traits);
  const areDifferent = await differencesAmong(queries, known);
  return { traits, match: matchComputer(traits, known, { areDifferent }) };
}

/**
 * Handles the usual case without writing much: a known computer that has not changed.
 *
 * @returns its id, or undefined where there is more to do
 */
export async function recogniseUnchanged(queries: Queries, sighting: Sighting): Promise<string | undefined> {
  const { match } = await recognise(queries, sighting);
  if (match.kind !== 'same') return undefined;
  const row = await queries
    .selectFrom('computers')
    .innerJoin('computerInventories', 'computerId', 'id')
    .select(['inventory', 'lastSeen', 'address', 'enrolment', 'via'])
    .where('id', '=', match.id)
    .executeTakeFirst();
  if (row?.inventory !== JSON.stringify(sighting.inventory)) return undefined;
  const where = placeOf(sighting);
  const isFresh = Date.now() - Date.parse(row.lastSeen) < TOUCH_INTERVAL_MS;
  const hasMoved =
    row.address !== where.address || row.enrolment !== where.enrolment || row.via !== where.via;
  if (hasMoved || !isFresh) {
    await queries
      .updateTable('computers')
      .set({ ...where, lastSeen: now() })
      .where('id', '=', match.id)
      .execute();
  }
  return match.id;
}

/** Finds the computer, or makes it, and writes down what has changed. */
export async function recordSighting(
  queries: Queries,
  sighting: Sighting,
  tell: Tell,
): Promise<{ readonly id: string; readonly outcome: SightingOutcome }> {
  const { traits, match } = await recognise(queries, sighting);
  switch (match.kind) {
    case 'same':
      await updateComputer(queries, match.id, sighting, traits, tell);
      return { id: match.id, outcome: 'same' };
    case 'new':
      return { id: (await addComputer(queries, sighting, traits)).id, outcome: 'new' };
    case 'doubtful': {
      const computer = await addComputer(queries, sighting, traits);
      await addDoubts(queries, computer, match.candidates, tell);
      return { id: computer.id, outcome: 'doubtful' };
    }
  }
}

/** Tells of a computer that nobody has registered. */
export function tellUnknown(
  tell: Tell,
  { id, name }: ComputerRow,
  { address, via }: Sighting,
  isKnowable: boolean,
): void {
  const place = address === undefined ? '' : ` from ${address}`;
  const warning = isKnowable
    ? ''
    : ' It has no UUID, serial number or built-in network card of its own and will be taken for another one at its next start.';
  tell({
    kind: 'computer.unknown',
    severity: 'alert',
    subject: { kind: 'computer', id },
    message: `The unknown computer ${name} is on standby${place}: register it, or forget it.${warning}`,
    data: { name, address: address ?? null, via },
  });
}

async function addComputer(
  queries: Queries,
  sighting: Sighting,
  traits: readonly Trait[],
): Promise<ComputerRow> {
  const { inventory } = sighting;
  const name = await firstFreeName(queries, numbered(computerName(inventory)));
  const at = now();
  const row: ComputerRow = {
    id: newId(),
    name,
    nameKey: nameKeyOf(name),
    state: 'unregistered',
    notes: '',
    firstSeen: at,
    lastSeen: at,
    registeredAt: null,
    registeredBy: null,
    searchWords: nameKeyOf(name),
    ...placeOf(sighting),
    ...factsOf(inventory),
    hardwareId: (await hardwareRecordFor(queries, inventory)).id,
  };
  await queries.insertInto('computers').values(row).execute();
  await queries
    .insertInto('computerInventories')
    .values({ computerId: row.id, inventory: JSON.stringify(inventory) })
    .execute();
  await replaceTraits(queries, row.id, traits);
  const from = sighting.address === undefined ? '' : ` from ${sighting.address}`;
  await addHistory(queries, row.id, {
    kind: 'seen',
    actor: SERVER,
    message: `Seen for the first time${from}.`,
  });
  return row;
}

async function updateComputer(
  queries: Queries,
  id: string,
  sighting: Sighting,
  traits: readonly Trait[],
  tell: Tell,
): Promise<void> {
  const { inventory } = sighting;
  const before = await queries
    .selectFrom('computers')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const hardware = await hardwareRecordFor(queries, inventory);
  await queries
    .updateTable('computers')
    .set({ ...placeOf(sighting), ...factsOf(inventory), hardwareId: hardware.id, lastSeen: now() })
    .where('id', '=', id)
    .execute();
  await queries
    .insertInto('computerInventories')
    .values({ computerId: id, inventory: JSON.stringify(inventory) })
    .onConflict((conflict) =>
      conflict.column('computerId').doUpdateSet({ inventory: JSON.stringify(inventory) }),
    )
    .execute();
  const changes = await replaceTraits(queries, id, traits);
  if (before.hardwareId !== null && before.hardwareId !== hardware.id) {
    changes.push(...(await changesBetween(queries, before.hardwareId, hardware.id)));
  }
  if (changes.length === 0) return;
  await addHistory(queries, id, { kind: 'hardware', actor: SERVER, message: changes.join(' ') });
  tell({
    kind: 'computer.hardware-changed',
    severity: 'warning',
    subject: { kind: 'computer', id },
    message: `The hardware of ${before.name} has changed. ${changes.join(' ')}`,
    data: { name: before.name, changes },
  });
}

async function addDoubts(
  queries: Queries,
  { id, name }: ComputerRow,
  candidates: readonly Comparison[],
  tell: Tell,
): Promise<void> {
  const at = now();
  await queries
    .insertInto('computerDoubts')
    .values(
      candidates.map((candidate) => ({
        computerId: id,
        candidateId: candidate.id,
        reasons: JSON.stringify(candidate.reasons),
        at,
      })),
    )
    .execute();
  const names = candidates.map((candidate) => candidate.name).join(' or ');
  tell({
    kind: 'computer.doubtful',
    severity: 'alert',
    subject: { kind: 'computer', id },
    message: `The computer ${name} may be ${names}: merge them, or split them. ${candidates[0]?.reasons.join(' ') ?? ''}`,
    data: { name, candidates },
  });
}

type Place = Pick<ComputerRow, 'address' | 'enrolment' | 'via'>;

function placeOf({ address, enrolment, via }: Sighting): Place {
  return { address: address ?? null, enrolment: enrolment ?? null, via };
}

type Facts = Pick<ComputerRow, 'manufacturer' | 'product' | 'searchHardware'>;

function factsOf(inventory: Inventory): Facts {
  const { manufacturer, product } = inventory.computer;
  return {
    manufacturer: manufacturer ?? null,
    product: product ?? null,
    searchHardware: searchTextOf(inventory),
  };
}
