import type { Inventory } from '@diskferry/protocol/inventory';
import type { Queries } from '../../database/database.ts';
import { newId, now } from '../../database/rows.ts';
import type { HardwareRecord, KnownDescription } from '../computer.ts';
import type { KnownHardware, KnownPart } from '../known-hardware/known-hardware.ts';
import { KNOWN_HARDWARE, recogniseHardware } from '../known-hardware/recognise.ts';
import { hardwareChanges } from './changes.ts';
import { describeHardware, type HardwareDescription, hardwareHash, hardwareTitle } from './description.ts';

/** The record of a computer's hardware, which is made if it is the first of its kind. */
export async function hardwareRecordFor(
  queries: Queries,
  inventory: Inventory,
): Promise<{ readonly id: string; readonly title: string }> {
  const description = describeHardware(inventory);
  const hash = hardwareHash(description);
  const known = recogniseHardware(inventory);
  return (
    (await byHash(queries, hash)) ??
    (await insertRecord(queries, {
      hash,
      title: known?.title ?? hardwareTitle(description),
      knownId: known?.id ?? null,
      description: JSON.stringify(description),
    }))
  );
}

/** Writes down what is known before anybody has it. After an update of diskferry, what was changed is brought up to date. */
export async function registerKnownHardware(queries: Queries): Promise<void> {
  for (const known of KNOWN_HARDWARE) {
    const hash = `known:${known.id}`;
    const row = { title: known.title, knownId: known.id, description: JSON.stringify(descriptionOf(known)) };
    const { numUpdatedRows } = await queries
      .updateTable('hardwareConfigurations')
      .set(row)
      .where('hash', '=', hash)
      .executeTakeFirst();
    if (Number(numUpdatedRows) === 0) await insertRecord(queries, { hash, ...row });
  }
}

/** All records, those of known products too, by title. */
export async function listHardware(queries: Queries, id?: string): Promise<HardwareRecord[]> {
  let query = queries
    .selectFrom('hardwareConfigurations')
    .selectAll()
    .select((builder) =>
      builder
        .selectFrom('computers')
        .select(({ fn }) => fn.countAll().as('count'))
        .whereRef('hardwareId', '=', 'hardwareConfigurations.id')
        .as('computers'),
    )
    .orderBy('title')
    .orderBy('id');
  if (id !== undefined) query = query.where('hardwareConfigurations.id', '=', id);
  return (await query.execute()).map(({ knownId, description, computers, ...record }) => ({
    ...record,
    knownId: knownId ?? undefined,
    description: JSON.parse(description) as HardwareDescription | KnownDescription,
    computers: Number(computers),
  }));
}

/** What is another in the one record than in the other, in sentences. */
export async function changesBetween(queries: Queries, beforeId: string, afterId: string): Promise<string[]> {
  const descriptionFor = async (id: string): Promise<HardwareDescription> => {
    const { description } = await queries
      .selectFrom('hardwareConfigurations')
      .select('description')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return JSON.parse(description) as HardwareDescription;
  };
  return hardwareChanges(await descriptionFor(beforeId), await descriptionFor(afterId));
}

async function byHash(
  queries: Queries,
  hash: string,
): Promise<{ readonly id: string; readonly title: string } | undefined> {
  return queries
    .selectFrom('hardwareConfigurations')
    .select(['id', 'title'])
    .where('hash', '=', hash)
    .executeTakeFirst();
}

async function insertRecord(
  queries: Queries,
  row: {
    readonly hash: string;
    readonly title: string;
    readonly knownId: string | null;
    readonly description: string;
  },
): Promise<{ readonly id: string; readonly title: string }> {
  const record = { id: newId(), firstSeen: now(), ...row };
  await queries.insertInto('hardwareConfigurations').values(record).execute();
  return record;
}

function descriptionOf({ firmware, storage, network }: KnownHardware): KnownDescription {
  const plain = (parts: readonly KnownPart[]): KnownDescription['storage'] =>
    parts.map(({ name, bus, id }) => ({ name, bus, id }));
  return { firmware, storage: plain(storage), network: plain(network) };
}
