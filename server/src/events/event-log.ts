import { EventEmitter } from 'node:events';
import type { Database, Queries } from '../database/database.ts';
import { newId, now } from '../database/rows.ts';
import type { EventRow, Severity } from './tables.ts';

/** Something to be told. */
export interface NewEvent {
  readonly kind: string;
  readonly severity?: Severity;
  readonly subject?: { readonly kind: string; readonly id: string };
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Something that happened, as the API shows it. */
export interface Event {
  readonly id: string;
  readonly at: string;
  readonly kind: string;
  readonly severity: Severity;
  readonly subject?: { readonly kind: string; readonly id: string };
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventWishes {
  /** Those after this one only. */
  readonly after?: string | undefined;
  readonly kind?: string | undefined;
  readonly subjectId?: string | undefined;
  /** The last ones instead of the first. */
  readonly newest?: boolean;
  readonly limit?: number;
}

const DEFAULT_LIMIT = 100;

/** What happened, kept in the database, and told to those that listen. */
export class EventLog {
  readonly #database: Database;
  readonly #listeners = new EventEmitter<{ event: [Event] }>();

  constructor(database: Database) {
    this.#database = database;
    this.#listeners.setMaxListeners(0);
  }

  /**
   * Writes an event down and tells it.
   *
   * @param queries the transaction it belongs to; listeners are told at once, so it should be the last thing in there
   */
  async add(event: NewEvent, queries: Queries = this.#database): Promise<Event> {
    const row: EventRow = {
      id: newId(),
      at: now(),
      kind: event.kind,
      severity: event.severity ?? 'info',
      subjectKind: event.subject?.kind ?? null,
      subjectId: event.subject?.id ?? null,
      message: event.message,
      data: JSON.stringify(event.data ?? {}),
    };
    await queries.insertInto('events').values(row).execute();
    const added = eventOf(row);
    this.#listeners.emit('event', added);
    return added;
  }

  /** Events, oldest first. */
  async list(wishes: EventWishes = {}): Promise<Event[]> {
    const { after, kind, subjectId, newest = false, limit = DEFAULT_LIMIT } = wishes;
    const order = newest ? 'desc' : 'asc';
    let query = this.#database.selectFrom('events').selectAll().orderBy('id', order).limit(limit);
    if (after !== undefined) query = query.where('id', '>', after);
    if (kind !== undefined) query = query.where('kind', '=', kind);
    if (subjectId !== undefined) query = query.where('subjectId', '=', subjectId);
    const events = (await query.execute()).map(eventOf);
    return newest ? events.toReversed() : events;
  }

  /** The id of the newest event. */
  async latestId(): Promise<string | undefined> {
    const newest = this.#database.selectFrom('events').select('id').orderBy('id', 'desc').limit(1);
    return (await newest.executeTakeFirst())?.id;
  }

  /** Calls back for each event of this server from now on, until the returned function is called. */
  listen(listener: (event: Event) => void): () => void {
    this.#listeners.on('event', listener);
    return () => this.#listeners.off('event', listener);
  }
}

function eventOf({ subjectKind, subjectId, data, ...row }: EventRow): Event {
  const subject =
    subjectKind === null || subjectId === null ? {} : { subject: { kind: subjectKind, id: subjectId } };
  return { ...row, ...subject, data: JSON.parse(data) as Record<string, unknown> };
}
