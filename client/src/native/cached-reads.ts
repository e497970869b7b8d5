import type { DiskCache } from '@diskferry/protocol/disk';
import { type Libc, libc } from './libc.ts';
import { PageCacheMap, type ResidentRange } from './page-cache-map.ts';
import { SocketMessage } from './socket-message.ts';

// <linux/fs.h>
const RWF_NOWAIT = 0x8;
// <unistd.h>
const SEEK_END = 2;
/** struct iovec: 8 bytes address, 8 length. */
const IOVEC_BYTES = 16;

/** Reads of one open file or block device that are answered from memory, at once, or not at all. */
export class CachedReads implements DiskCache {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #map: PageCacheMap | undefined;
  readonly #message: SocketMessage;
  readonly #iovec = Buffer.alloc(IOVEC_BYTES);
  readonly #iovecAddress: bigint;
  #canReadNow = true;
  #closed = false;

  private constructor(libc: Libc, fd: number, map: PageCacheMap | undefined) {
    this.#libc = libc;
    this.#fd = fd;
    this.#map = map;
    this.#message = new SocketMessage(libc);
    this.#iovecAddress = libc.addressOf(this.#iovec);
  }

  /** Undefined where there are no native calls. */
  static of(fd: number, path: string, size: number): CachedReads | undefined {
    return libc === undefined ? undefined : new CachedReads(libc, fd, PageCacheMap.of(libc, fd, path, size));
  }

  has(offset: number, length: number): boolean {
    return this.#resident(offset, length)?.length === length;
  }

  read(offset: number, target: Uint8Array): boolean {
    if (!this.#canReadNow || this.#closed) return false;
    const { addressOf, preadv2, errorName } = this.#libc;
    this.#iovec.writeBigUInt64LE(addressOf(target), 0);
    this.#iovec.writeBigUInt64LE(BigInt(target.length), 8);
    const read = Number(preadv2(this.#fd, this.#iovecAddress, 1, BigInt(offset), RWF_NOWAIT));
    // Not every file system and driver can tell whether it would wait.
    if (read < 0 && errorName() === 'ENOTSUP') this.#canReadNow = false;
    return read === target.length;
  }

  send(socket: number, header: Uint8Array, offset: number, length: number): number {
    const body = this.#resident(offset, length);
    // Once the header has left, the answer says that it succeeds: what is missing could turn out to be unreadable.
    return body?.length === length ? this.#message.send(socket, header, body) : 0;
  }

  /** Must be called before the file is closed, because another one may get its number. */
  close(): void {
    this.#closed = true;
    this.#map?.close();
  }

  #resident(offset: number, length: number): ResidentRange | undefined {
    if (this.#closed) return undefined;
    // The page in which a file was cut short still lies in memory, with zeros behind its end.
    if (this.#libc.lseek(this.#fd, 0n, SEEK_END) < offset + length) return undefined;
    return this.#map?.resident(offset, length);
  }
}
