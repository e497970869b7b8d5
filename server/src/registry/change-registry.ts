import type { Database, Queries } from '../database/database.ts';
import type { EventLog, NewEvent } from '../events/event-log.ts';

/** Remembers an event until the change that it tells of is complete. */
export type Tell = (event: NewEvent) => void;

/**
 * Changes the registry in one transaction, alone: who decides which computer is which, or what a computer is called, must
 * see what others have decided, also those of other servers on one PostgreSQL. Events are told at its end.
 */
export async function changeRegistry<T>(
  database: Database,
  events: EventLog,
  work: (queries: Queries, tell: Tell) => Promise<T>,
): Promise<T> {
  return database.transaction().execute(async (transaction) => {
    await transaction.updateTable('registryLock').set({ id: 1 }).execute();
    const told: NewEvent[] = [];
    const result = await work(transaction, (event) => told.push(event));
    for (const event of told) await events.add(event, transaction);
    return result;
  });
}
