import { accessSync, constants, fstatSync } from 'node:fs';
import type { Libc } from './libc.ts';

const PAGE_BYTES = 4096;
/**
 * Pages that were used through a window count as memory of this program until it is closed, and a mapped disk would
 * need page tables of a 500th of its size: so windows are small, and few.
 */
const WINDOW_BYTES = 4 * 1024 * 1024;
const MAX_WINDOWS = 2;
/** Where windows begin, so that requests in the order of the disk find the window of the one before. */
const WINDOW_ALIGNMENT = 1024 * 1024;

// <sys/mman.h>
const PROT_READ = 1;
const MAP_SHARED = 1;
const MAP_FAILED = -1n;

/** A part of the disk that has addresses. Bytes. */
interface Window {
  readonly start: number;
  readonly end: number;
  readonly address: bigint;
}

/** A range of the disk that lies in memory, and may be given to the kernel, but must not be read by the program itself. */
export interface ResidentRange {
  readonly address: bigint;
  readonly length: number;
}

/**
 * The page cache of one open file or block device, mapped into the program. Only the kernel may use the addresses: an
 * error of the disk fails a call, but would kill a program that reads them itself.
 */
export class PageCacheMap {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #size: number;
  /** The one that was used last is the last. */
  #windows: Window[] = [];
  readonly #residency = Buffer.allocUnsafeSlow(WINDOW_BYTES / PAGE_BYTES);
  readonly #residencyAddress: bigint;

  private constructor(libc: Libc, fd: number, size: number) {
    this.#libc = libc;
    this.#fd = fd;
    this.#size = size;
    this.#residencyAddress = libc.addressOf(this.#residency);
  }

  /**
   * Undefined where the kernel would not tell what lies in memory: it answers "everything" to whoever may neither write
   * the file nor owns it (mincore(2)).
   *
   * @param path of the file that `fd` is open on
   * @param size bytes
   */
  static of(libc: Libc, fd: number, path: string, size: number): PageCacheMap | undefined {
    return mayAsk(fd, path) ? new PageCacheMap(libc, fd, size) : undefined;
  }

  /**
   * What lies in memory from `offset` on, up to `length` bytes; undefined for nothing. Valid until the next call. Never
   * waits.
   */
  resident(offset: number, length: number): ResidentRange | undefined {
    const window = this.#windowFor(offset, length);
    if (window === undefined) return undefined;
    const skipped = offset % PAGE_BYTES;
    const asked = Math.min(skipped + length, window.end - (offset - skipped));
    const address = window.address + BigInt(offset - window.start);
    if (this.#libc.mincore(address - BigInt(skipped), BigInt(asked), this.#residencyAddress) !== 0)
      return undefined;
    const pages = Math.ceil(asked / PAGE_BYTES);
    const missing = this.#residency.subarray(0, pages).indexOf(0);
    const resident = (missing === -1 ? asked : missing * PAGE_BYTES) - skipped;
    return resident > 0 ? { address, length: resident } : undefined;
  }

  close(): void {
    for (const window of this.#windows.splice(0)) this.#unmap(window);
  }

  #windowFor(offset: number, length: number): Window | undefined {
    const end = offset + Math.min(length, WINDOW_BYTES - WINDOW_ALIGNMENT);
    const found = this.#windows.findIndex((window) => window.start <= offset && end <= window.end);
    const window = found === -1 ? this.#map(offset) : this.#windows.splice(found, 1)[0];
    if (window === undefined) return undefined;
    this.#windows.push(window);
    if (this.#windows.length > MAX_WINDOWS) this.#unmap(this.#windows.shift() as Window);
    return window;
  }

  #map(offset: number): Window | undefined {
    const start = offset - (offset % WINDOW_ALIGNMENT);
    const end = Math.min(start + WINDOW_BYTES, this.#size);
    const { mmap } = this.#libc;
    const address = mmap(0n, BigInt(end - start), PROT_READ, MAP_SHARED, this.#fd, BigInt(start));
    return address === MAP_FAILED ? undefined : { start, end, address };
  }

  #unmap({ address, start, end }: Window): void {
    this.#libc.munmap(address, BigInt(end - start));
  }
}

function mayAsk(fd: number, path: string): boolean {
  const user = process.geteuid?.();
  if (user === 0 || fstatSync(fd).uid === user) return true;
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
