import type { RemoteDisk } from './remote-disk.ts';

/** A connection, and the bytes that are under way on it. */
interface Member {
  readonly disk: RemoteDisk;
  load: number;
}

/** What a request costs beside its bytes, counted in bytes: about what is sent in the time of a round trip. */
const REQUEST_LOAD = 4096;

/** Connections to one disk, which share its requests and live and die together. */
export class ConnectionGroup {
  readonly first: RemoteDisk;
  /** Resolves with the reason when the first of the connections is lost. */
  readonly lost: Promise<Error>;
  readonly #members: readonly [Member, ...Member[]];

  constructor([first, ...more]: readonly [RemoteDisk, ...RemoteDisk[]]) {
    this.first = first;
    this.#members = [{ disk: first, load: 0 }, ...more.map((disk) => ({ disk, load: 0 }))];
    this.lost = Promise.race(this.#members.map(({ disk }) => disk.lost));
  }

  get bytesReceived(): number {
    return this.#members.reduce((sum, { disk }) => sum + disk.bytesReceived, 0);
  }

  get bytesSent(): number {
    return this.#members.reduce((sum, { disk }) => sum + disk.bytesSent, 0);
  }

  /** Does something that moves `length` bytes on the connection that has the least to do. */
  async use<T>(length: number, action: (disk: RemoteDisk) => Promise<T>): Promise<T> {
    const member = this.#leastLoaded();
    const load = length + REQUEST_LOAD;
    member.load += load;
    try {
      return await action(member.disk);
    } finally {
      member.load -= load;
    }
  }

  /** Hangs up; what is under way fails for the reason. */
  abandon(reason: Error): void {
    for (const { disk } of this.#members) disk.abandon(reason);
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map(({ disk }) => disk.close()));
  }

  #leastLoaded(): Member {
    let [least] = this.#members;
    for (const member of this.#members) if (member.load < least.load) least = member;
    return least;
  }
}
