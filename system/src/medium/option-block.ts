import { UsageError } from '../errors.ts';

/**
 * The file of a boot medium with words for the kernel's command line: an environment block of GRUB ("The GRUB environment
 * block" in its manual), which has a fixed size and one variable a line.
 */
export const OPTION_BLOCK_BYTES = 1024;

const SIGNATURE = '# GRUB Environment Block\n';
const VARIABLE = 'diskferry_options';
const FILLER = '#';
/** Words that mean the same to GRUB, to the kernel and to the scripts of the secondary OS. */
const WORD = /^[\w.,:;=/+@%[\]-]+$/;
/** Room for the signature and the variable's name; the kernel itself would take 2 KB. */
const MOST_CHARACTERS = 900;
/** Files begin at a sector. */
const SECTOR_BYTES = 512;

/**
 * The bytes of the block.
 *
 * @throws {UsageError} for a word with blanks or signs that GRUB would change, or too many words
 */
export function makeOptionBlock(words: readonly string[]): Buffer {
  for (const word of words) {
    if (!WORD.test(word)) {
      throw new UsageError(
        `--option "${word}" is not one word for the kernel's command line: letters, digits and .,:;=/+@%[]_- make one`,
      );
    }
  }
  const text = words.join(' ');
  if (text.length > MOST_CHARACTERS) {
    throw new UsageError(
      `the options take ${text.length} characters; a medium has room for ${MOST_CHARACTERS}`,
    );
  }
  return Buffer.from(`${SIGNATURE}${VARIABLE}=${text}\n`.padEnd(OPTION_BLOCK_BYTES, FILLER));
}

/** Where option blocks begin in the bytes of a medium; a medium of ours has exactly one. */
export function findOptionBlocks(medium: Buffer): number[] {
  const begin = `${SIGNATURE}${VARIABLE}=`;
  const found: number[] = [];
  for (let at = medium.indexOf(begin); at >= 0; at = medium.indexOf(begin, at + 1)) {
    if (at % SECTOR_BYTES === 0 && at + OPTION_BLOCK_BYTES <= medium.length) found.push(at);
  }
  return found;
}

/** The words in a block. */
export function readOptionBlock(block: Buffer): string[] {
  const text = block.toString('latin1');
  const value = new RegExp(`^${VARIABLE}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  return value.split(' ').filter((word) => word !== '');
}
