import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debuglog } from 'node:util';
import { messageOf } from './errors.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from './process-identity.ts';
import { describeResource, type Resource, release } from './resource.ts';

const debug = debuglog('diskferry:session');

/** In memory on every Linux, so that a restart of the server forgets what the restart released. */
const SESSIONS_FOLDER = process.env['DISKFERRY_RUN'] ?? '/run/diskferry';
const JOURNAL = 'held.jsonl';

/** The first line of a journal. */
interface SessionHead {
  /** What the user asked for, such as "capture". */
  readonly purpose: string;
  /** The process that works on it; undefined once the session is kept beyond its process (attach). */
  readonly owner: ProcessIdentity | undefined;
  /** Facts for later commands, such as the folder of an attached disk. */
  readonly facts: Readonly<Record<string, string>>;
}

interface JournalLine {
  readonly head?: SessionHead;
  readonly hold?: Resource;
  readonly drop?: Resource;
}

/**
 * One piece of work and what it holds outside this process. Every resource is written to a journal before it is
 * taken, so that `cleanUp` can release what a killed process left.
 */
export class Session implements AsyncDisposable {
  readonly id: string;
  /** A folder of its own for sockets, mount points and logs; removed with the session. */
  readonly folder: string;
  readonly purpose: string;
  readonly facts: Readonly<Record<string, string>>;
  readonly owner: ProcessIdentity | undefined;
  readonly #held: Resource[];

  constructor(id: string, head: SessionHead, held: Resource[]) {
    this.id = id;
    this.folder = join(SESSIONS_FOLDER, id);
    this.purpose = head.purpose;
    this.facts = head.facts;
    this.owner = head.owner;
    this.#held = held;
  }

  get held(): readonly Resource[] {
    return this.#held;
  }

  /** Writes a resource down. Call it before the resource exists wherever its name is known before. */
  hold(resource: Resource): void {
    this.#held.push(resource);
    this.#write({ hold: resource });
  }

  /** Writes a running process down. */
  holdProcess(pid: number, name: string): void {
    const identity = identifyProcess(pid);
    if (identity !== undefined) this.hold({ kind: 'process', ...identity, name });
  }

  /** Forgets a resource that ended by itself or became the user's, such as a finished image. */
  drop(resource: Resource): void {
    const key = JSON.stringify(resource);
    const index = this.#held.findLastIndex((other) => JSON.stringify(other) === key);
    // Already given back: a process may report its end after the session has ended it, and its journal is gone then.
    if (index < 0) return;
    this.#held.splice(index, 1);
    try {
      this.#write({ drop: resource });
    } catch (error) {
      // Another process has released the same abandoned session meanwhile, and its journal is gone with it.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  /** Gives one resource back now. */
  async release(resource: Resource): Promise<void> {
    await release(resource);
    this.drop(resource);
  }

  /** Lets the session live on after its process, until someone releases it by its id. */
  keep(facts: Readonly<Record<string, string>>): void {
    this.#write({ head: { purpose: this.purpose, owner: undefined, facts } });
  }

  /**
   * Gives everything back, last taken first. One failure does not stop the rest.
   *
   * @throws {AggregateError} when something could not be released; it stays in the journal
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const resource of this.#held.toReversed()) {
      debug('release %s', describeResource(resource));
      await this.release(resource).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) {
      throw new AggregateError(failures, `could not release: ${failures.map(messageOf).join('; ')}`);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  #write(line: JournalLine): void {
    appendFileSync(join(this.folder, JOURNAL), `${JSON.stringify(line)}\n`);
  }
}

/** Begins a piece of work of this process. Use with `await using`. */
export function openSession(purpose: string): Session {
  const id = `${purpose}-${process.pid}-${randomBytes(3).toString('hex')}`;
  const head = { purpose, owner: identifyProcess(process.pid), facts: {} };
  const folder = join(SESSIONS_FOLDER, id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, JOURNAL), `${JSON.stringify({ head } satisfies JournalLine)}\n`);
  return new Session(id, head, []);
}

/** All sessions of this machine, whether their process lives or not. */
export function listSessions(): Session[] {
  let ids: string[];
  try {
    ids = readdirSync(SESSIONS_FOLDER);
  } catch {
    return [];
  }
  return ids.map(readSession).filter((session) => session !== undefined);
}

/** Whether the process of that session is gone without releasing it. Kept sessions are never abandoned. */
export function isAbandoned(session: Session): boolean {
  return session.owner !== undefined && !isRunning(session.owner);
}

/** Releases what killed processes left. Returns the sessions that were cleaned. */
export async function cleanUp(): Promise<Session[]> {
  const abandoned = listSessions().filter(isAbandoned);
  for (const session of abandoned) await session[Symbol.asyncDispose]();
  return abandoned;
}

function readSession(id: string): Session | undefined {
  let head: SessionHead | undefined;
  const held: Resource[] = [];
  let text: string;
  try {
    text = readFileSync(join(SESSIONS_FOLDER, id, JOURNAL), 'utf8');
  } catch {
    return undefined;
  }
  for (const line of text.split('\n')) {
    const entry = parseLine(line);
    if (entry?.head !== undefined) head = entry.head;
    if (entry?.hold !== undefined) held.push(entry.hold);
    if (entry?.drop !== undefined) {
      const key = JSON.stringify(entry.drop);
      const index = held.findLastIndex((resource) => JSON.stringify(resource) === key);
      if (index >= 0) held.splice(index, 1);
    }
  }
  return head === undefined ? undefined : new Session(id, head, held);
}

/** The last line may be cut short by the very kill that makes the clean-up necessary. */
function parseLine(line: string): JournalLine | undefined {
  try {
    return JSON.parse(line) as JournalLine;
  } catch {
    return undefined;
  }
}
