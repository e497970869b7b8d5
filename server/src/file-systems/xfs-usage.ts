import { run } from '@diskferry/system/run';
import { FileSystemError } from './errors.ts';

/** How many blocks of an XFS are free, and how many more its files would take if none shared blocks. */
export interface XfsUsage {
  readonly freeBlocks: number;
  readonly sharedBlocks: number;
}

/**
 * Sums up the allocation groups of an unmounted XFS whose log was replayed. The free blocks that statfs tells are
 * without those that the kernel sets aside for trees to grow, which grow with the size of the device.
 */
export async function readXfsUsage(device: string, agCount: number, hasReflink: boolean): Promise<XfsUsage> {
  const queries = Array.from({ length: agCount }, (_, ag) => [
    `agf ${ag}`,
    'print freeblks flcount',
    ...(hasReflink ? ['addr refcntroot', 'btdump'] : []),
  ]);
  const commands = queries.flat().flatMap((query) => ['-c', query]);
  const { stdout, stderr } = await run(['xfs_db', '-r', ...commands, device]);
  const [complaint] = /Metadata (?:CRC error|corruption) detected[^\n]*/.exec(stderr) ?? [];
  if (complaint !== undefined) throw new FileSystemError('DAMAGED', `xfs_db says: ${complaint}`);
  return parseXfsUsage(stdout, agCount);
}

/** A record of the tree of shared extents: [startblock,blockcount,refcount,cowflag]. */
const SHARED_EXTENT = /\d+:\[\d+,(\d+),(\d+),0\]/g;

/** Reads what xfs_db printed. Throws {FileSystemError} `DAMAGED` when an allocation group is missing in it. */
export function parseXfsUsage(output: string, agCount: number): XfsUsage {
  const sum = (pattern: RegExp): { count: number; total: number } => {
    const values = [...output.matchAll(pattern)].map(([, value]) => Number(value));
    return { count: values.length, total: values.reduce((total, value) => total + value, 0) };
  };
  const free = sum(/^freeblks = (\d+)$/gm);
  const list = sum(/^flcount = (\d+)$/gm);
  if (free.count !== agCount || list.count !== agCount) {
    throw new FileSystemError(
      'DAMAGED',
      `only ${free.count} of its ${agCount} allocation groups can be read`,
    );
  }
  const sharedBlocks = [...output.matchAll(SHARED_EXTENT)].reduce(
    (total, [, blocks, owners]) => total + Number(blocks) * (Number(owners) - 1),
    0,
  );
  return { freeBlocks: free.total + list.total, sharedBlocks };
}

/** Whether the log holds changes that are not in their places yet. */
export async function hasDirtyLog(device: string): Promise<boolean> {
  const { stdout } = await run(['xfs_logprint', '-t', device], { okExitCodes: [0, 1] });
  return stdout.includes('<DIRTY>');
}
