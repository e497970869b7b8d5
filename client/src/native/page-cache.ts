import { accessSync, constants, fstatSync } from 'node:fs';
import type { Libc } from './libc.ts';

const PAGE_BYTES = 4096;
/** What one question may concern; the answer has a byte for each page of it. */
const MAX_RANGE_BYTES = 32 * 1024 * 1024;

// <sys/mman.h>
const PROT_NONE = 0;
const MAP_SHARED = 1;
const MAP_FAILED = -1n;

/**
 * Tells what of a file or block device lies in memory. The map that the kernel wants for this question takes
 * addresses, and no memory, because nothing is ever read through it.
 */
export class PageCache {
  readonly #libc: Libc;
  readonly #address: bigint;
  readonly #size: bigint;
  readonly #answer = Buffer.allocUnsafeSlow(MAX_RANGE_BYTES / PAGE_BYTES + 1);
  readonly #answerAddress: bigint;

  private constructor(libc: Libc, address: bigint, size: bigint) {
    this.#libc = libc;
    this.#address = address;
    this.#size = size;
    this.#answerAddress = libc.addressOf(this.#answer);
  }

  /**
   * Undefined where the kernel would not tell: it answers "in memory" for everything to whoever may neither write
   * the file nor owns it (mincore(2)), and not every file can be mapped.
   *
   * @param path of the file that `fd` is open on
   */
  static of(libc: Libc, fd: number, path: string, size: number): PageCache | undefined {
    if (!mayAsk(fd, path)) return undefined;
    const address = libc.mmap(0n, BigInt(size), PROT_NONE, MAP_SHARED, fd, 0n);
    return address === MAP_FAILED ? undefined : new PageCache(libc, address, BigInt(size));
  }

  /** How many bytes from `offset` are in memory, up to `length`. Never waits. */
  residentBytes(offset: number, length: number): number {
    const skipped = offset % PAGE_BYTES;
    const asked = Math.min(skipped + length, MAX_RANGE_BYTES);
    const { mincore } = this.#libc;
    if (mincore(this.#address + BigInt(offset - skipped), BigInt(asked), this.#answerAddress) !== 0) return 0;
    const pages = Math.ceil(asked / PAGE_BYTES);
    const missing = this.#answer.subarray(0, pages).indexOf(0);
    const resident = missing === -1 ? asked : missing * PAGE_BYTES;
    return Math.max(0, resident - skipped);
  }

  close(): void {
    this.#libc.munmap(this.#address, this.#size);
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
