import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import { UsageError } from '@diskferry/system/errors';

/** It is a part of file names, and stands before ":" where a version is named. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const TAG = /^[\p{L}\p{N}][\p{L}\p{N}._:=@+-]{0,63}$/u;
const MAX_TAGS = 50;
const MAX_NOTES = 10_000;
/** What an integer of SQL holds. */
const MAX_VERSION = 2 ** 31 - 1;
/** As many digits of the id as make a file name unlike all others. They are random (UUID version 7). */
const ID_DIGITS = 12;
/** Control characters but tab and line feed. */
const CONTROL = new RegExp(String.raw`[\u0000-\u0008\u000b-\u001f\u007f]`);

/** @throws {UsageError} */
export function requireName(name: string, what: 'an image' | 'a location'): void {
  if (NAME.test(name)) return;
  throw new UsageError(
    `"${name}" cannot name ${what}: up to 64 letters, digits and . _ - can, beginning with a letter or digit`,
  );
}

/** @throws {UsageError} */
export function requireVersion(version: number): void {
  if (Number.isInteger(version) && version >= 1 && version <= MAX_VERSION) return;
  throw new UsageError(`${version} is no version; they are numbers from 1`);
}

/** @throws {UsageError} */
export function requireNotes(notes: string): void {
  if (notes.length > MAX_NOTES) {
    throw new UsageError(`notes of ${notes.length} characters are too long; ${MAX_NOTES} can be kept`);
  }
  if (CONTROL.test(notes) || !notes.isWellFormed()) {
    throw new UsageError('the notes hold characters that cannot be shown');
  }
}

/**
 * Tags as they are kept: each once, in the order of their letters.
 *
 * @throws {UsageError}
 */
export function tidyTags(tags: readonly string[]): string[] {
  for (const tag of tags) {
    if (TAG.test(tag)) continue;
    throw new UsageError(`"${tag}" is no tag: up to 64 letters, digits and . _ : = @ + - can be`);
  }
  const tidy = [...new Set(tags)].toSorted();
  if (tidy.length > MAX_TAGS)
    throw new UsageError(`${tidy.length} tags are too many; ${MAX_TAGS} can be kept`);
  return tidy;
}

/**
 * The name of a new file. No other image ever had it, whatever it was called, and nobody's own file is likely to have it:
 * so the file can be removed by its name after a crash.
 */
export function newFileName(name: string, version: number, id: string, format: ImageFormat): string {
  return `${name}-${version}-${id.slice(-ID_DIGITS)}.${format}`;
}

export function searchTextOf(name: string, notes: string, tags: readonly string[]): string {
  return [name, notes, ...tags].join('\n').toLowerCase();
}
