import { run } from '@diskferry/system/run';

/** Bytes of a file that are stored; what is between two ranges is a hole. */
export interface DataRange {
  readonly start: number;
  readonly end: number;
}

/** Asks the file system where a file has data. Blocks that were reserved but never written count as holes. */
export async function readDataMap(path: Buffer): Promise<DataRange[]> {
  const input = Buffer.concat([path, Buffer.alloc(1)]);
  const { stdout } = await run(['xargs', '-0', 'filefrag', '-s', '-v'], { input, encoding: 'latin1' });
  return parseDataMap(stdout);
}

/** A line such as "   0:        0..      15:      34304..     34319:     16:             last,eof". */
const EXTENT_LINE = /^ *\d+: *(\d+)\.\. *(\d+): *\d+\.\. *\d+: *\d+:(.*)$/;

/** Reads the table that `filefrag -v` prints, and joins ranges that touch. */
export function parseDataMap(output: string): DataRange[] {
  const blockSize = Number(/ blocks? of (\d+) bytes\)$/m.exec(output)?.[1]);
  const ranges: DataRange[] = [];
  for (const line of output.split('\n').filter((line) => /^ *\d+: /.test(line))) {
    const match = EXTENT_LINE.exec(line);
    if (match === null) throw new Error(`filefrag printed a line that is not understood: ${line}`);
    const [, first, last, flags = ''] = match;
    if (flags.includes('unwritten')) continue;
    const range = { start: Number(first) * blockSize, end: (Number(last) + 1) * blockSize };
    const previous = ranges.at(-1);
    if (previous?.end === range.start) ranges[ranges.length - 1] = { start: previous.start, end: range.end };
    else ranges.push(range);
  }
  return ranges;
}

/** All bytes that one or the other has stored, before `size`. */
export function joinMaps(left: readonly DataRange[], right: readonly DataRange[], size: number): DataRange[] {
  const joined: DataRange[] = [];
  for (const { start, end } of [...left, ...right].sort((a, b) => a.start - b.start)) {
    const previous = joined.at(-1);
    const range = { start, end: Math.min(end, size) };
    if (range.start >= range.end) continue;
    if (previous === undefined || previous.end < range.start) joined.push(range);
    else joined[joined.length - 1] = { start: previous.start, end: Math.max(previous.end, range.end) };
  }
  return joined;
}
