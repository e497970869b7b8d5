import type { FileFacts } from './file-facts.ts';

/** A file that has several names. */
export interface LinkedFile {
  /** Where the copy has its first name, inside the destination; unset until it is there. */
  path?: Buffer;
  /** Names that are to come. */
  remaining: number;
}

/** Files of several names, by their inodes, until their last name was found. */
export class HardLinks {
  readonly #files = new Map<bigint, LinkedFile>();

  /** The file, if an earlier name of it was found. */
  find({ inode }: FileFacts): LinkedFile | undefined {
    const linked = this.#files.get(inode);
    if (linked === undefined) return undefined;
    linked.remaining -= 1;
    if (linked.remaining === 0) this.#files.delete(inode);
    return linked;
  }

  /** Keeps a file in mind at its first name. */
  add({ inode, links }: FileFacts): LinkedFile {
    const linked: LinkedFile = { remaining: links - 1 };
    this.#files.set(inode, linked);
    return linked;
  }
}
