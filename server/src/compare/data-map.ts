import { run } from '@diskferry/system/run';

/** Bytes of a file that are stored; what is between two ranges is a hole. */
export interface DataRange {
  readonly start: number;
  readonly end: number;
}

/** How an extent is stored, as far as another file could tell. */
export interface Extent extends DataRange {
  /** "compressed", or nothing. Whether others share an extent is not told: the kernel's answer is not the same for both. */
  readonly storage: string;
}

/** xargs ends with this when the program failed for some files. */
const XARGS_SOME_FAILED = 123;

/**
 * Asks the file system where files have data. Blocks that were reserved but never written count as holes.
 *
 * @returns by path, each byte of which is one character; files of which it does not tell are not in it
 */
export async function readDataMaps(places: readonly Buffer[]): Promise<ReadonlyMap<string, Extent[]>> {
  if (places.length === 0) return new Map();
  const input = Buffer.concat(places.flatMap((place) => [place, Buffer.alloc(1)]));
  const { stdout } = await run(['xargs', '-0', 'filefrag', '-s', '-v'], {
    input,
    encoding: 'latin1',
    okExitCodes: [0, XARGS_SOME_FAILED],
  });
  return parseDataMaps(
    stdout,
    places.map((place) => place.toString('latin1')),
  );
}

/** A line such as "   0:        0..      15:      34304..     34319:     16:             last,eof". */
const EXTENT_LINE = /^ *\d+: *(\d+)\.\. *(\d+): *\d+\.\. *\d+: *\d+:(.*)$/;

/**
 * Reads the tables that `filefrag -v` prints. A name may hold newlines, so the paths that were asked for lead through
 * the output, in their order.
 */
export function parseDataMaps(output: string, paths: readonly string[]): ReadonlyMap<string, Extent[]> {
  const maps = new Map<string, Extent[]>();
  let position = 0;
  for (const path of paths) {
    const head = `File size of ${path} is `;
    const start = output.indexOf(head, position);
    const end = output.indexOf(`\n${path}: `, start);
    if (start < 0 || end < 0) continue;
    maps.set(path, parseTable(output.slice(start + head.length, end)));
    position = end + path.length;
  }
  return maps;
}

/** Joins ranges that touch and are stored alike. */
function parseTable(table: string): Extent[] {
  const blockSize = Number(/ blocks? of (\d+) bytes\)$/m.exec(table)?.[1]);
  const ranges: Extent[] = [];
  for (const line of table.split('\n').filter((line) => /^ *\d+: /.test(line))) {
    const match = EXTENT_LINE.exec(line);
    if (match === null) throw new Error(`filefrag printed a line that is not understood: ${line}`);
    const [, first, last, flags = ''] = match;
    if (flags.includes('unwritten')) continue;
    const range = {
      start: Number(first) * blockSize,
      end: (Number(last) + 1) * blockSize,
      storage: storageOf(flags),
    };
    const previous = ranges.at(-1);
    if (previous?.end === range.start && previous.storage === range.storage) {
      ranges[ranges.length - 1] = { ...previous, end: range.end };
    } else ranges.push(range);
  }
  return ranges;
}

/** Filefrag's words; an extent that is stored otherwise than its bytes are is "encoded" (fiemap.rst). */
function storageOf(flags: string): string {
  return flags.split(/[\s,]+/).includes('encoded') ? 'compressed' : '';
}

/** The same map in a coarser unit: what has one byte of data in it has data. Ends at the end of the file. */
export function widenMap(map: readonly Extent[], unit: number, size: number): Extent[] {
  const wide: Extent[] = [];
  for (const { start, end, storage } of map) {
    const range = {
      start: Math.floor(start / unit) * unit,
      end: Math.min(Math.ceil(end / unit) * unit, size),
      storage,
    };
    const previous = wide.at(-1);
    if (range.start >= range.end) continue;
    if (previous !== undefined && previous.end >= range.start && previous.storage === storage) {
      wide[wide.length - 1] = { ...previous, end: Math.max(previous.end, range.end) };
    } else wide.push(range);
  }
  return wide;
}
