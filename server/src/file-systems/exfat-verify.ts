import type { FileHandle } from 'node:fs/promises';
import { collectDifferences, type Difference } from '../compare/difference.ts';
import { fill, sizeOfDevice, withDevice } from './block-device.ts';
import { FileSystemError } from './errors.ts';
import { entriesWithoutPlaces } from './exfat-folder.ts';
import { bootCodeOf } from './exfat-geometry.ts';
import { type ExfatNode, type ExfatVolume, piecesOf, readExfatVolume } from './exfat-volume.ts';
import type { CopyContext } from './file-system.ts';
import { countBytes, forgetCached } from './verify-files.ts';

const PIECE_BYTES = 1024 * 1024;

interface Side {
  readonly device: FileHandle;
  readonly volume: ExfatVolume;
}

/** Compares a twin with its source: boot code, every entry byte for byte but for places, every content. */
export async function verifyExfat(
  source: string,
  destination: string,
  context: CopyContext,
): Promise<Difference[]> {
  await forgetCached(destination, context.signal);
  const [sourceSize, size] = [await sizeOfDevice(source), await sizeOfDevice(destination)];
  return withDevice(source, 'read', (from) =>
    withDevice(destination, 'read', async (to) => {
      const left = { device: from, volume: await readExfatVolume(from, sourceSize) };
      try {
        const right = { device: to, volume: await readExfatVolume(to, size) };
        return await collectDifferences(compareVolumes(left, right, context));
      } catch (error) {
        if (!(error instanceof FileSystemError) || error.code !== 'DAMAGED') throw error;
        return [{ path: '', property: 'structure', left: 'sound', right: error.message }];
      }
    }),
  );
}

async function* compareVolumes(left: Side, right: Side, context: CopyContext): AsyncGenerator<Difference> {
  const [ours, theirs] = [left, right].map(({ volume }) =>
    bootCodeOf(volume.bootRegion, volume.geometry.sectorBytes),
  );
  if (ours === undefined || theirs === undefined || !ours.equals(theirs)) yield another('', 'boot region');
  if (right.volume.lostClusters > 0) yield another('', 'map of clusters');
  yield* compareFolders(left, right, [left.volume.root, right.volume.root], '', countBytes(context), context);
}

async function* compareFolders(
  left: Side,
  right: Side,
  [ours, theirs]: readonly [readonly ExfatNode[], readonly ExfatNode[]],
  path: string,
  report: (bytes: number) => void,
  context: CopyContext,
): AsyncGenerator<Difference> {
  const others = new Map(theirs.map((node) => [node.item.name, node]));
  for (const node of ours) {
    const name = `${path}${node.item.name}`;
    const other = others.get(node.item.name);
    others.delete(node.item.name);
    if (other === undefined) {
      yield { path: name, property: 'existence', left: 'exists', right: 'missing' };
      continue;
    }
    if (!entriesWithoutPlaces(node.item).equals(entriesWithoutPlaces(other.item)))
      yield another(name, 'entries');
    if (node.item.kind === 'folder') {
      yield* compareFolders(left, right, [node.children, other.children], `${name}/`, report, context);
    } else if (
      node.item.kind !== 'bitmap' &&
      !(await hasSameContents(left, right, [node, other], report, context))
    ) {
      yield another(name, 'content');
    }
  }
  for (const name of others.keys()) {
    yield { path: `${path}${name}`, property: 'existence', left: 'missing', right: 'exists' };
  }
}

async function hasSameContents(
  left: Side,
  right: Side,
  [ours, theirs]: readonly [ExfatNode, ExfatNode],
  report: (bytes: number) => void,
  { signal }: CopyContext,
): Promise<boolean> {
  for (const [index, { validBytes }] of ours.item.allocations.entries()) {
    const other = theirs.item.allocations[index];
    if (other?.validBytes !== validBytes) return false;
    for (let offset = 0; offset < validBytes; offset += PIECE_BYTES) {
      signal?.throwIfAborted();
      const length = Math.min(PIECE_BYTES, validBytes - offset);
      const [a, b] = await Promise.all([
        readContents(left, ours, index, offset, length),
        readContents(right, theirs, index, offset, length),
      ]);
      report(length);
      if (!a.equals(b)) return false;
    }
  }
  return true;
}

async function readContents(
  side: Side,
  node: ExfatNode,
  index: number,
  offset: number,
  length: number,
): Promise<Buffer> {
  const target = Buffer.alloc(length);
  let start = 0;
  for (const piece of piecesOf(side.volume.geometry, node.chains[index] ?? [], offset + length)) {
    const skip = Math.max(0, offset - start);
    if (skip < piece.length) {
      const to = start + skip - offset;
      await fill(side.device, piece.offset + skip, target.subarray(to, to + piece.length - skip));
    }
    start += piece.length;
  }
  return target;
}

function another(path: string, property: string): Difference {
  return { path, property, left: 'as it is', right: 'is another' };
}
