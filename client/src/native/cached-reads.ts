import { type Libc, libc } from './libc.ts';
import { PageCache } from './page-cache.ts';

// <linux/fs.h>
const RWF_NOWAIT = 0x8;

// <sys/socket.h>
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;

/** One struct iovec: address and length. */
const IOVEC_BYTES = 16;

/** Reads of one open file or block device that are answered from memory, at once, or not at all. */
export class CachedReads {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #pageCache: PageCache | undefined;
  #canReadNow = true;
  readonly #iovec = Buffer.alloc(IOVEC_BYTES);
  readonly #iovecAddress: bigint;
  readonly #position = Buffer.alloc(8);
  readonly #positionAddress: bigint;

  private constructor(libc: Libc, fd: number, pageCache: PageCache | undefined) {
    this.#libc = libc;
    this.#fd = fd;
    this.#pageCache = pageCache;
    this.#iovecAddress = libc.addressOf(this.#iovec);
    this.#positionAddress = libc.addressOf(this.#position);
  }

  /** Undefined where there are no native calls. */
  static of(fd: number, path: string, size: number): CachedReads | undefined {
    return libc === undefined ? undefined : new CachedReads(libc, fd, PageCache.of(libc, fd, path, size));
  }

  /** Fills `target`, which may hold anything if the answer is false. */
  read(offset: number, target: Uint8Array): boolean {
    if (!this.#canReadNow) return false;
    const { addressOf, preadv2, errorName } = this.#libc;
    this.#iovec.writeBigUInt64LE(addressOf(target), 0);
    this.#iovec.writeBigUInt64LE(BigInt(target.length), 8);
    const read = Number(preadv2(this.#fd, this.#iovecAddress, 1, BigInt(offset), RWF_NOWAIT));
    // Not every file system and driver can tell whether it would wait.
    if (read < 0 && errorName() === 'ENOTSUP') this.#canReadNow = false;
    return read === target.length;
  }

  /** As `sendCached` of a disk. */
  send(socket: number, header: Uint8Array, offset: number, length: number): number {
    const resident = this.#pageCache?.residentBytes(offset, length) ?? 0;
    if (resident === 0) return 0;
    const { send, sendfile } = this.#libc;
    // The header leaves in one segment with the first bytes. If the peer is gone the stream finds out by itself.
    const flags = MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL;
    const headerSent = Math.max(0, Number(send(socket, header, BigInt(header.length), flags)));
    if (headerSent < header.length) return headerSent;
    this.#position.writeBigInt64LE(BigInt(offset));
    const sent = Number(sendfile(socket, this.#fd, this.#positionAddress, BigInt(resident)));
    return headerSent + Math.max(0, sent);
  }

  close(): void {
    this.#pageCache?.close();
  }
}
