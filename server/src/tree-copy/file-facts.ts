import { AT_EMPTY_PATH, check, EMPTY_PATH, linux } from './linux.ts';

/** Type bits of a mode (inode(7)). */
const TYPE_MASK = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;

/** struct statx of statx(2): offsets of its fields. */
const STATX_BYTES = 256;
const LINKS = 16;
const OWNER = 20;
const GROUP = 24;
const MODE = 28;
const INODE = 32;
const SIZE = 40;
const BLOCKS = 48;
const ACCESS_TIME = 64;
const CHANGE_OF_CONTENTS_TIME = 112;
const DEVICE_NUMBER = 128;
const DEVICE_OF_FILE_SYSTEM = 136;
const TIME_BYTES = 16;
/** STATX_BASIC_STATS */
const WANTED = 0x7ff;

/** What statx(2) tells of a file. Use `take` and `giveBack`: a million files shall not need a million buffers. */
export class FileFacts {
  static readonly #free: FileFacts[] = [];
  readonly #bytes = Buffer.alloc(STATX_BYTES);

  /** Reads the facts of an open file. */
  static take(file: number): FileFacts {
    const facts = FileFacts.#free.pop() ?? new FileFacts();
    check(linux.statx(file, EMPTY_PATH, AT_EMPTY_PATH, WANTED, facts.#bytes));
    return facts;
  }

  giveBack(): void {
    FileFacts.#free.push(this);
  }

  /** The type bits alone. */
  get type(): number {
    return this.#bytes.readUInt16LE(MODE) & TYPE_MASK;
  }

  /** Rights, setuid, setgid and sticky, without the type. */
  get permissions(): number {
    return this.#bytes.readUInt16LE(MODE) & 0o7777;
  }

  get links(): number {
    return this.#bytes.readUInt32LE(LINKS);
  }

  get owner(): number {
    return this.#bytes.readUInt32LE(OWNER);
  }

  get group(): number {
    return this.#bytes.readUInt32LE(GROUP);
  }

  get inode(): bigint {
    return this.#bytes.readBigUInt64LE(INODE);
  }

  /** In bytes. */
  get size(): number {
    return Number(this.#bytes.readBigUInt64LE(SIZE));
  }

  /** What the file takes on the disk, in bytes: less than its size when it has holes. */
  get allocatedBytes(): number {
    return Number(this.#bytes.readBigUInt64LE(BLOCKS)) * 512;
  }

  /** For a device node, as mknod(2) takes it: glibc's makedev. */
  get deviceNumber(): bigint {
    const major = BigInt(this.#bytes.readUInt32LE(DEVICE_NUMBER));
    const minor = BigInt(this.#bytes.readUInt32LE(DEVICE_NUMBER + 4));
    return (
      ((major & ~0xfffn) << 32n) | ((major & 0xfffn) << 8n) | ((minor & ~0xffn) << 12n) | (minor & 0xffn)
    );
  }

  /** Tells file systems apart. */
  get fileSystem(): bigint {
    return this.#bytes.readBigUInt64LE(DEVICE_OF_FILE_SYSTEM);
  }

  /** Writes access time and modification time, as utimensat(2) takes them: what statx_timestamp pads, it wants as zeros. */
  copyTimes(to: Buffer): void {
    this.#bytes.copy(to, 0, ACCESS_TIME, ACCESS_TIME + TIME_BYTES);
    this.#bytes.copy(to, TIME_BYTES, CHANGE_OF_CONTENTS_TIME, CHANGE_OF_CONTENTS_TIME + TIME_BYTES);
  }
}
