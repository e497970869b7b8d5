import { run } from '@diskferry/system/run';

/** Letters of lsattr that say how a file is stored, which follows from the file system, and not what a user set. */
const HOW_STORED = /[-eEhINVBZX]/g;
/** xargs ends with this when the program failed for some files: on a file system without flags. */
const XARGS_SOME_FAILED = 123;

export interface InodeFlags {
  /** Letters of chattr. */
  readonly letters: string;
  /** Number of the project that the file counts for; 0 is none. */
  readonly project: number;
}

/**
 * Reads the inode flags and the projects of regular files and folders. It shares nothing with what copies them, whose
 * mistakes it has to find.
 *
 * @returns by path, each byte of which is one character
 */
export async function readInodeFlags(places: readonly Buffer[]): Promise<ReadonlyMap<string, InodeFlags>> {
  if (places.length === 0) return new Map();
  const { stdout } = await run(['xargs', '-0', 'lsattr', '-d', '-p'], {
    input: Buffer.concat(places.flatMap((place) => [place, Buffer.alloc(1)])),
    okExitCodes: [0, XARGS_SOME_FAILED],
    encoding: 'latin1',
  });
  return parseInodeFlags(
    stdout,
    places.map((place) => place.toString('latin1')),
  );
}

/**
 * Reads lines such as "    0 ----i---------e------- /etc/file". A name may hold newlines, so the paths that were asked
 * for lead through the output, in their order.
 */
export function parseInodeFlags(output: string, paths: readonly string[]): ReadonlyMap<string, InodeFlags> {
  const head = /\s*(\d+) ([-\w]+) /y;
  const found = new Map<string, InodeFlags>();
  let position = 0;
  for (const path of paths) {
    head.lastIndex = position;
    const [, project, letters = ''] = head.exec(output) ?? [];
    const text = `${path}\n`;
    if (project === undefined || !output.startsWith(text, head.lastIndex)) continue;
    position = head.lastIndex + text.length;
    found.set(path, { letters: letters.replaceAll(HOW_STORED, ''), project: Number(project) });
  }
  return found;
}
