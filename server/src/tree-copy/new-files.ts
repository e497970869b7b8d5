import { copyAttributes, copyAttributesByName } from './extended-attributes.ts';
import { copyContents, copyFromDevice } from './file-contents.ts';
import { type FileFacts, S_IFLNK } from './file-facts.ts';
import type { FilePlaces } from './file-places.ts';
import { giveHints, type InodeAttributes } from './inode-attributes.ts';
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  check,
  checkSize,
  EMPTY_PATH,
  linux,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from './linux.ts';
import type { FoundFile, FoundFolder } from './source-walk.ts';

/** Of a folder until its contents are there. */
const ONLY_FOR_ROOT = 0o700;
const SETUID_SETGID_STICKY = 0o7000;
/** The longest target of a symbolic link, with room for its zero. */
const TARGET_BYTES = 4096;

const target = Buffer.alloc(TARGET_BYTES + 1);
const times = Buffer.alloc(32);

/** Makes the copy of a regular file, whole but for what `giveInodeAttributes` gives. Returns it open for writing. */
export function makeRegularFile(
  folder: number,
  { name, file, facts, place }: FoundFile,
  attributes: InodeAttributes | undefined,
  places: FilePlaces | undefined,
): number {
  const how = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const copy = check(linux.openat(folder, name, how, facts.permissions & ~SETUID_SETGID_STICKY));
  try {
    if (attributes !== undefined) giveHints(copy, attributes);
    if (places === undefined || place === undefined) copyContents(file, copy, facts);
    else copyFromDevice(places, place, copy, facts);
    finish(copy, file, facts);
    return copy;
  } catch (error) {
    linux.close(copy);
    throw error;
  }
}

/** Makes the copy of a folder, empty and open. One that is there already, such as lost+found, is taken. */
export function makeFolder(parent: number, name: Buffer): number {
  if (linux.mkdirat(parent, name, ONLY_FOR_ROOT) < 0) {
    const error = linux.lastError();
    if (error.code !== 'EEXIST') throw error;
  }
  return check(linux.openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
}

/** Gives the copy of a folder what must wait until its contents are there: what it would pass on to them, and times. */
export function finishFolder(copy: number, { file, facts }: FoundFolder): void {
  check(linux.fchmod(copy, facts.permissions));
  finish(copy, file, facts);
}

/** Owner first: a change of it takes capabilities, setuid and setgid away. */
function finish(copy: number, source: number, facts: FileFacts): void {
  const { owner, group, permissions } = facts;
  if (owner !== 0 || group !== 0) check(linux.fchownat(copy, EMPTY_PATH, owner, group, AT_EMPTY_PATH));
  copyAttributes(source, copy);
  if ((permissions & SETUID_SETGID_STICKY) !== 0) check(linux.fchmod(copy, permissions));
  facts.copyTimes(times);
  check(linux.futimens(copy, times));
}

/** Makes the copy of a symbolic link, device node, fifo or socket. */
export function makeSpecialFile(folder: number, { name, file, facts }: FoundFile): void {
  const { type, permissions, owner, group } = facts;
  if (type === S_IFLNK) {
    const length = checkSize(linux.readlinkat(file, EMPTY_PATH, target, BigInt(TARGET_BYTES)));
    target[length] = 0;
    check(linux.symlinkat(target, folder, name));
  } else {
    check(linux.mknodat(folder, name, type | permissions, facts.deviceNumber));
  }
  if (owner !== 0 || group !== 0) {
    check(linux.fchownat(folder, name, owner, group, AT_SYMLINK_NOFOLLOW));
  }
  copyAttributesByName(file, () => check(linux.openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0)));
  if (type !== S_IFLNK && (permissions & SETUID_SETGID_STICKY) !== 0) {
    check(linux.fchmodat(folder, name, permissions, 0));
  }
  facts.copyTimes(times);
  check(linux.utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW));
}
