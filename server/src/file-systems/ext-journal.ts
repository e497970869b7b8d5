import { run } from '@diskferry/system/run';
import type { Journal } from './ext-mke2fs.ts';

const NO_JOURNAL: Journal = { blocks: 0, fastCommitBlocks: 0 };

/** Asks dumpe2fs for the size of the journal inside a file system; zeros when it has none. */
export async function readJournal(device: string): Promise<Journal> {
  const { stdout } = await run(['dumpe2fs', '-h', device]);
  return parseJournal(stdout);
}

/** Reads the lines about the journal in the output of `dumpe2fs -h`. */
export function parseJournal(output: string): Journal {
  const number = (name: string): number | undefined => {
    const match = new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(output);
    return match === null ? undefined : Number(match[1]);
  };
  const blocks = number('Total journal blocks');
  if (blocks === undefined) return NO_JOURNAL;
  return { blocks, fastCommitBlocks: number('Fast commit length') ?? 0 };
}

/**
 * Makes the journal of a new file system a hole again. Without the feature "extent", mke2fs fills it with zeros,
 * even when it is told that the device reads as zeros. A device without discard keeps the zeros.
 */
export async function emptyJournal(device: string, blockSize: number, signal?: AbortSignal): Promise<void> {
  const { stdout } = await run(['debugfs', '-R', 'stat <8>', device], { signal });
  for (const { first, count } of parseJournalBlocks(stdout)) {
    const range = ['--offset', String(first * blockSize), '--length', String(count * blockSize)];
    const { exitCode } = await run(['blkdiscard', ...range, device], { okExitCodes: [0, 1], signal });
    if (exitCode !== 0) return;
  }
}

/** Reads where the journal's blocks stand, without its first one, which describes it. */
export function parseJournalBlocks(output: string): { first: number; count: number }[] {
  const list = output.slice(output.indexOf('BLOCKS:'));
  return [...list.matchAll(/\((\d+)(?:-\d+)?\):(\d+)(?:-(\d+))?/g)]
    .map(([, logical, first, last]) => {
      const skip = logical === '0' ? 1 : 0;
      return { first: Number(first) + skip, count: Number(last ?? first) - Number(first) + 1 - skip };
    })
    .filter(({ count }) => count > 0);
}
