import { DiskError } from '@diskferry/protocol/disk';

/**
 * Lets changes of a disk through in turns, one for each time that a server came back after an interruption. A connection that was
 * lost there may still be alive here, with changes that wait to be carried out; the server sends them again on a new one, and then
 * others to the same place. None of the old ones may be carried out after that.
 */
export class WriteTurns {
  #current = 0;
  readonly #underWay = new Map<Promise<void>, number>();

  /** Begins a turn, if it is not an old one: refuses changes of earlier turns from now on, and waits for those under way. */
  async begin(turn: number): Promise<void> {
    if (turn <= this.#current) return;
    this.#current = turn;
    const earlier = [...this.#underWay].filter(([, other]) => other < turn).map(([change]) => change);
    await Promise.allSettled(earlier);
  }

  /** @throws {DiskError} `ESHUTDOWN` when a later turn has begun */
  async run(turn: number, change: () => Promise<void>): Promise<void> {
    if (turn < this.#current) {
      throw new DiskError('ESHUTDOWN', 'the server has come back over another connection since');
    }
    const running = change();
    this.#underWay.set(running, turn);
    try {
      await running;
    } finally {
      this.#underWay.delete(running);
    }
  }
}
