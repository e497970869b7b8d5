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
