import { checkSize, linux } from './linux.ts';

/** Types that getdents64 tells (readdir(3)). */
export const DT_UNKNOWN = 0;
export const DT_DIR = 4;
export const DT_REG = 8;

/** struct linux_dirent64 of getdents(2): inode, offset, length of the entry, type, name with its zero. */
const LENGTH = 16;
const TYPE = 18;
const NAME = 19;

/** Entries that are sorted together, in bytes: bounds the memory for a folder with a million files. */
const BATCH_BYTES = 1024 * 1024;
/** Room for the longest entry: the kernel writes whole ones only. */
const LONGEST_ENTRY_BYTES = 280;

export interface FolderEntry {
  /** With a zero at its end. Valid until the next batch is read. */
  readonly name: Buffer;
  readonly type: number;
  readonly inode: number;
}

/** Reads folders with getdents64, one at a time. */
export class FolderReader {
  readonly #bytes = Buffer.alloc(BATCH_BYTES);

  /**
   * Reads the next entries of an open folder, without "." and "..", in the order of their inodes: on most file
   * systems that is the order on the disk.
   *
   * @returns undefined when the folder has no more
   * @throws {SystemCallError}
   */
  next(folder: number): FolderEntry[] | undefined {
    const filled = this.#fill(folder);
    if (filled === 0) return undefined;
    const entries: FolderEntry[] = [];
    for (let offset = 0; offset < filled; offset += this.#bytes.readUInt16LE(offset + LENGTH)) {
      const entry = this.#entryAt(offset);
      if (!isDots(entry.name)) entries.push(entry);
    }
    return entries.sort((a, b) => a.inode - b.inode);
  }

  #fill(folder: number): number {
    let filled = 0;
    while (filled + LONGEST_ENTRY_BYTES <= BATCH_BYTES) {
      const room = this.#bytes.subarray(filled);
      const added = checkSize(linux.getdents64(folder, room, BigInt(room.length)));
      if (added === 0) break;
      filled += added;
    }
    return filled;
  }

  #entryAt(offset: number): FolderEntry {
    const end = this.#bytes.indexOf(0, offset + NAME) + 1;
    return {
      name: this.#bytes.subarray(offset + NAME, end),
      type: this.#bytes[offset + TYPE] as number,
      // Exact up to 2^53; beyond, only the order suffers.
      inode: this.#bytes.readUInt32LE(offset) + this.#bytes.readUInt32LE(offset + 4) * 2 ** 32,
    };
  }
}

function isDots(name: Buffer): boolean {
  const dot = 0x2e;
  return name[0] === dot && (name[1] === 0 || (name[1] === dot && name[2] === 0));
}
