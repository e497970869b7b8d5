import { check, linux } from './linux.ts';

/** Of linux/fs.h; the numbers say that the kernel moves 8 and 28 bytes, of which it uses 4 and 28. */
const FS_IOC_GETFLAGS = 0x80086601n;
const FS_IOC_SETFLAGS = 0x40086602n;
const FS_IOC_FSGETXATTR = 0x801c581fn;
const FS_IOC_FSSETXATTR = 0x401c5820n;

/**
 * The flags that a user sets, by the letters of chattr(1), in the order of lsattr. The others say how the file is stored, and
 * follow from the file system. Source: FS_IOC_SETFLAGS in linux/fs.h.
 */
const FLAG_LETTERS = {
  s: 0x1,
  u: 0x2,
  S: 0x8,
  D: 0x10000,
  i: 0x10,
  a: 0x20,
  d: 0x40,
  A: 0x80,
  c: 0x4,
  m: 0x400,
  j: 0x4000,
  t: 0x8000,
  T: 0x20000,
  x: 0x2000000,
  P: 0x20000000,
} as const;
const FLAGS = Object.values(FLAG_LETTERS).reduce((all, flag) => all | flag, 0);
const IMMUTABLE_OR_APPEND = FLAG_LETTERS.i | FLAG_LETTERS.a;

/** What XFS has beyond these, by the letters of xfs_io's chattr. Source: ioctl_xfs_fsgetxattr(2). */
const XFS_LETTERS = {
  t: 0x100,
  n: 0x400,
  e: 0x800,
  E: 0x1000,
  f: 0x2000,
  S: 0x4000,
  C: 0x10000,
} as const;
const XFS_FLAGS = Object.values(XFS_LETTERS).reduce((all, flag) => all | flag, 0);
const XFS_HINTS = XFS_LETTERS.e | XFS_LETTERS.E | XFS_LETTERS.C;

/** struct fsxattr of linux/fs.h: offsets of its fields. */
const EXTENT_SIZE = 4;
const PROJECT = 12;
const COW_EXTENT_SIZE = 16;

/** What ioctls tell of a regular file or folder. */
export interface InodeAttributes {
  /** Bits of FLAG_LETTERS. */
  readonly flags: number;
  /** Bits of XFS_LETTERS. */
  readonly xfsFlags: number;
  /** Hints of XFS, in bytes; 0 for none. A folder passes its own on to what is made in it. */
  readonly extentSize: number;
  readonly cowExtentSize: number;
  /** Number of the project that the file counts for; 0 is none. */
  readonly project: number;
}

// One buffer is enough: nothing waits between a call and the reading of its answer.
const word = Buffer.alloc(8);
const fsxattr = Buffer.alloc(64);

/** Reads them. Undefined when there is nothing to carry, as for most files. */
export function readInodeAttributes(file: number): InodeAttributes | undefined {
  const flags = linux.ioctl(file, FS_IOC_GETFLAGS, word) < 0 ? 0 : word.readInt32LE() & FLAGS;
  if (linux.ioctl(file, FS_IOC_FSGETXATTR, fsxattr) < 0) fsxattr.fill(0);
  const xfsFlags = fsxattr.readUInt32LE() & XFS_FLAGS;
  const project = fsxattr.readUInt32LE(PROJECT);
  if (flags === 0 && xfsFlags === 0 && project === 0) return undefined;
  return {
    flags,
    xfsFlags,
    extentSize: xfsFlags & (XFS_LETTERS.e | XFS_LETTERS.E) ? fsxattr.readUInt32LE(EXTENT_SIZE) : 0,
    cowExtentSize: xfsFlags & XFS_LETTERS.C ? fsxattr.readUInt32LE(COW_EXTENT_SIZE) : 0,
    project,
  };
}

/** Whether a file with these can neither be changed nor linked. */
export function isProtected({ flags }: InodeAttributes): boolean {
  return (flags & IMMUTABLE_OR_APPEND) !== 0;
}

/** Gives an empty file its hints: they can no longer be changed once it has contents. What fails is found later. */
export function giveHints(file: number, attributes: InodeAttributes): void {
  if (attributes.xfsFlags & XFS_HINTS) setXfsAttributes(file, { ...attributes, project: 0 });
}

/**
 * Gives a copy the attributes of its source.
 *
 * @returns what could not be kept, such as "chattr +j"; undefined if nothing
 */
export function giveInodeAttributes(file: number, attributes: InodeAttributes): string | undefined {
  const { xfsFlags, project, flags } = attributes;
  if (xfsFlags !== 0 || project !== 0) setXfsAttributes(file, attributes);
  if (flags !== 0 && !setFlags(file, flags)) {
    // One that cannot be set shall not take the others with it.
    for (const flag of Object.values(FLAG_LETTERS)) if (flags & flag) setFlags(file, flag);
  }
  // Some have no effect, and the kernel does not say so: without a journal, "j" is dropped.
  return missing(attributes, readInodeAttributes(file));
}

function setFlags(file: number, flags: number): boolean {
  check(linux.ioctl(file, FS_IOC_GETFLAGS, word));
  word.writeInt32LE(word.readInt32LE() | flags);
  return linux.ioctl(file, FS_IOC_SETFLAGS, word) >= 0;
}

function setXfsAttributes(file: number, attributes: InodeAttributes): void {
  const { xfsFlags, extentSize, cowExtentSize, project } = attributes;
  if (linux.ioctl(file, FS_IOC_FSGETXATTR, fsxattr) < 0) return;
  fsxattr.writeUInt32LE(((fsxattr.readUInt32LE() & ~XFS_FLAGS) | xfsFlags) >>> 0);
  if (extentSize > 0) fsxattr.writeUInt32LE(extentSize, EXTENT_SIZE);
  fsxattr.writeUInt32LE(project, PROJECT);
  if (cowExtentSize > 0) fsxattr.writeUInt32LE(cowExtentSize, COW_EXTENT_SIZE);
  const failed = linux.ioctl(file, FS_IOC_FSSETXATTR, fsxattr) < 0;
  if (!failed || (xfsFlags & XFS_HINTS) === 0) return;
  // Hints must be multiples of the block size of the twin; the rest does not depend on them.
  setXfsAttributes(file, {
    flags: 0,
    xfsFlags: xfsFlags & ~XFS_HINTS,
    extentSize: 0,
    cowExtentSize: 0,
    project,
  });
}

function missing(wanted: InodeAttributes, found: InodeAttributes | undefined): string | undefined {
  const parts: string[] = [];
  const flags = lettersOf(wanted.flags & ~(found?.flags ?? 0), FLAG_LETTERS);
  if (flags !== '') parts.push(`chattr +${flags}`);
  if (wanted.project !== (found?.project ?? 0)) parts.push(`chattr -p ${wanted.project}`);
  const xfsFlags = lettersOf(wanted.xfsFlags & ~XFS_HINTS & ~(found?.xfsFlags ?? 0), XFS_LETTERS);
  if (xfsFlags !== '') parts.push(`xfs_io chattr +${xfsFlags}`);
  if (wanted.extentSize !== (found?.extentSize ?? 0)) parts.push(`xfs_io extsize ${wanted.extentSize}`);
  if (wanted.cowExtentSize !== (found?.cowExtentSize ?? 0)) {
    parts.push(`xfs_io cowextsize ${wanted.cowExtentSize}`);
  }
  return parts.length === 0 ? undefined : parts.join(', ');
}

function lettersOf(flags: number, letters: Readonly<Record<string, number>>): string {
  return Object.entries(letters)
    .filter(([, flag]) => (flags & flag) !== 0)
    .map(([letter]) => letter)
    .join('');
}
