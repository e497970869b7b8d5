import { messageOf } from '@diskferry/system/errors';
import { identifyProcess } from '@diskferry/system/process-identity';
import type { Resource } from '@diskferry/system/resource';
import type { Session } from '@diskferry/system/session';

/**
 * What one simulated disk holds: written down in the session, so that it is released with it or after a crash, and
 * kept in order here, so that the disk can be given back on its own. Several disks of one session stay apart.
 */
export class HeldResources {
  readonly #session: Session;
  readonly #held: Resource[] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  /** Writes a resource down; to be called before it exists wherever its name is known before. */
  hold(resource: Resource): void {
    this.#held.push(resource);
    this.#session.hold(resource);
  }

  /** Writes a running process down; one that has ended already needs no release. */
  holdProcess(pid: number, name: string): void {
    const identity = identifyProcess(pid);
    if (identity !== undefined) this.hold({ kind: 'process', ...identity, name });
  }

  /** Forgets a resource that was not taken after all. */
  drop(resource: Resource): void {
    this.#session.drop(resource);
    this.#forget(resource);
  }

  /** Gives back now what is chosen, last taken first. */
  async releaseWhere(isChosen: (resource: Resource) => boolean): Promise<void> {
    for (const resource of this.#held.filter(isChosen).toReversed()) {
      await this.#session.release(resource);
      this.#forget(resource);
    }
  }

  /**
   * Gives everything back, last taken first. One failure does not stop the rest.
   *
   * @throws {AggregateError} when something could not be released; it stays with the session
   */
  async releaseAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const resource of this.#held.toReversed()) {
      await this.releaseWhere((other) => other === resource).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) {
      throw new AggregateError(failures, `could not release: ${failures.map(messageOf).join('; ')}`);
    }
  }

  #forget(resource: Resource): void {
    const index = this.#held.lastIndexOf(resource);
    if (index >= 0) this.#held.splice(index, 1);
  }
}
