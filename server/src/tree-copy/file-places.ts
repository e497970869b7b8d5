import type { FileFacts } from './file-facts.ts';
import { check, linux, O_CLOEXEC, O_RDONLY } from './linux.ts';

/** Larger files fill requests of their own. In bytes. */
const SMALL_BYTES = 256 * 1024;
/** Files that lie as near to each other as this are asked for together, and what lies between is read in vain, in bytes. */
const GAP_BYTES = 16 * 1024;
/** What is asked for at once, in bytes; the kernel makes it two requests of half the size on a loop device. */
const RUN_BYTES = 1024 * 1024;

/** FS_IOC_FIEMAP of linux/fs.h, and struct fiemap with one struct fiemap_extent of linux/fiemap.h. */
const FS_IOC_FIEMAP = 0xc020660bn;
const FLAG_SYNC = 0x1;
const FIEMAP_BYTES = 32;
const EXTENT_BYTES = 56;
const EXTENT_LAST = 0x1;
const EXTENT_MERGED = 0x1000;

// One is enough: nothing waits between a call and the reading of its answer.
const fiemap = Buffer.alloc(FIEMAP_BYTES + EXTENT_BYTES);

/**
 * Reads small files from the block device below their file system, at the places that the file system tells. Files that were
 * written one after the other lie in a row: they are asked for by one or two requests a MiB instead of hundreds.
 *
 * Only for file systems that change nothing any more and whose addresses are those of the device: ext2, ext3, ext4 and
 * XFS, mounted read-only.
 */
export class FilePlaces {
  /** The open device. */
  readonly device: number;
  /** What was told to {@link expect} and not asked for yet. */
  #start = 0;
  #end = 0;

  constructor(path: string) {
    this.device = check(linux.openat(0, Buffer.from(`${path}\0`), O_RDONLY | O_CLOEXEC, 0));
  }

  /** Where a small file lies on the device in one piece, in bytes. */
  find(file: number, { size }: FileFacts): number | undefined {
    if (size > SMALL_BYTES) return undefined;
    fiemap.fill(0);
    fiemap.writeBigUInt64LE(BigInt(size), 8);
    fiemap.writeUInt32LE(FLAG_SYNC, 16);
    fiemap.writeUInt32LE(1, 24);
    if (linux.ioctl(file, FS_IOC_FIEMAP, fiemap) < 0 || fiemap.readUInt32LE(20) !== 1) return undefined;
    const logical = fiemap.readBigUInt64LE(FIEMAP_BYTES);
    const place = fiemap.readBigUInt64LE(FIEMAP_BYTES + 8);
    const length = fiemap.readBigUInt64LE(FIEMAP_BYTES + 16);
    const flags = fiemap.readUInt32LE(FIEMAP_BYTES + 40);
    // All others say that the bytes are elsewhere, encoded, or not written yet.
    const isPlain = (flags & ~(EXTENT_LAST | EXTENT_MERGED)) === 0;
    return isPlain && logical === 0n && length >= BigInt(size) ? Number(place) : undefined;
  }

  /** Tells that a range will be read soon. */
  expect(place: number, length: number): void {
    const end = place + length;
    const isNear = place >= this.#start && place <= this.#end + GAP_BYTES;
    if (this.#end === 0 || !isNear || end - this.#start > RUN_BYTES) {
      this.#ask();
      this.#start = place;
      this.#end = end;
    } else {
      this.#end = Math.max(this.#end, end);
    }
  }

  /** To be called before a range is read. */
  arrive(place: number): void {
    if (place >= this.#start && place < this.#end) this.#ask();
  }

  #ask(): void {
    if (this.#end > 0) linux.readahead(this.device, BigInt(this.#start), BigInt(this.#end - this.#start));
    this.#start = 0;
    this.#end = 0;
  }
}
