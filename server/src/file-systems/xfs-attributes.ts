import { run } from '@diskferry/system/run';
import { walkTree } from '../compare/walk-tree.ts';
import { nullTerminated } from './inode-flags.ts';

/**
 * Letters of xfs_io's lsattr that chattr(1) does not know: rtinherit, nosymlinks, nodefrag, filestream; and those
 * that stand for a hint with a value: extsize, extszinherit, cowextsize. Source: ioctl_xfs_fsgetxattr(2).
 */
const PLAIN_LETTERS = /[^tnfS]/g;
const EXTENT_SIZE_LETTERS = ['e', 'E'] as const;
const COW_EXTENT_SIZE_LETTER = 'C';
const COMMAND_LINE_BYTES = 2_000_000;
const XARGS_SOME_FAILED = 123;

/** What only XFS knows of a file. */
export interface XfsAttributes {
  readonly path: Buffer;
  readonly letters: string;
  /** In bytes; 0 for none. A folder passes its own on to what is made in it. */
  readonly extentSize: number;
  readonly cowExtentSize: number;
}

/** The files and folders of a tree that have attributes of XFS; most have none. */
export async function readXfsAttributes(root: string, signal?: AbortSignal): Promise<XfsAttributes[]> {
  const found: XfsAttributes[] = [];
  for await (const batch of walkTree(root)) {
    const files = batch.filter(({ stats }) => stats.isFile() || stats.isDirectory());
    if (files.length === 0) continue;
    const letters = await ask('lsattr', placesOf(files), signal);
    const special = files
      .map((file, index) => ({ ...file, all: letters[index] ?? '' }))
      .filter(({ all }) => /[tnfSeEC]/.test(all));
    if (special.length === 0) continue;
    const extentSizes = await ask('extsize', placesOf(special), signal);
    const cowExtentSizes = await ask('cowextsize', placesOf(special), signal);
    for (const [index, { path, all }] of special.entries()) {
      const hasExtentSize = EXTENT_SIZE_LETTERS.some((letter) => all.includes(letter));
      const hasCowExtentSize = all.includes(COW_EXTENT_SIZE_LETTER);
      found.push({
        path: Buffer.from(path === '.' ? root : `${root}/${path}`, 'latin1'),
        letters: all.replaceAll(PLAIN_LETTERS, ''),
        extentSize: hasExtentSize ? numberOf(extentSizes[index]) : 0,
        cowExtentSize: hasCowExtentSize ? numberOf(cowExtentSizes[index]) : 0,
      });
    }
  }
  return found;
}

/** The attributes in words; empty for none. */
export function summaryOf(attributes: XfsAttributes | undefined): string {
  if (attributes === undefined) return '';
  const { letters, extentSize, cowExtentSize } = attributes;
  return `flags "${letters}", extsize ${extentSize}, cowextsize ${cowExtentSize}`;
}

/** Runs a command of xfs_io that prints one line a file. Returns what it said of each. */
async function ask(command: string, paths: readonly Buffer[], signal?: AbortSignal): Promise<string[]> {
  const { stdout } = await xfsIo(command, paths, signal);
  return parseLines(stdout, paths);
}

async function xfsIo(
  command: string,
  paths: readonly Buffer[],
  signal?: AbortSignal,
): Promise<{ stdout: string }> {
  const xargs = ['xargs', '-0', '-s', String(COMMAND_LINE_BYTES)] as const;
  // Opened for reading alone, which also suits folders and is enough for all of these.
  return run([...xargs, 'xfs_io', '-r', '-c', command], {
    input: nullTerminated(paths),
    okExitCodes: [0, XARGS_SOME_FAILED],
    encoding: 'latin1',
    signal,
  });
}

/**
 * Reads lines such as "--------P--E----X /folder " or "[65536] /file". A name may hold newlines, so the paths that
 * were asked for lead through the output, in their order. Those that are missing have nothing.
 */
export function parseLines(output: string, paths: readonly Buffer[]): string[] {
  const head = /\[?([-\w]+)\]? /y;
  let position = 0;
  return paths.map((path) => {
    head.lastIndex = position;
    const match = head.exec(output);
    const text = path.toString('latin1');
    if (match === null || !output.startsWith(text, head.lastIndex)) return '';
    const end = output.indexOf('\n', head.lastIndex + text.length);
    position = end < 0 ? output.length : end + 1;
    return match[1] ?? '';
  });
}

function numberOf(text: string | undefined): number {
  return Number(text ?? 0);
}

function placesOf(files: readonly { readonly place: Buffer }[]): Buffer[] {
  return files.map(({ place }) => place);
}
