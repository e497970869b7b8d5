import type { FileHandle } from 'node:fs/promises';
import { collectDifferences, type Difference } from '../compare/difference.ts';
import { readAt, withDevice } from './block-device.ts';
import { slotsWithCluster } from './fat-directory.ts';
import { BOOT_SECTOR_BYTES } from './fat-geometry.ts';
import { type Geometries, piecesOf } from './fat-pieces.ts';
import { isDirty } from './fat-table.ts';
import type { FatTwin } from './fat-twin.ts';
import { type FatNode, type FatVolume, readVolume } from './fat-volume.ts';
import type { CopyContext } from './file-system.ts';
import { countBytes, forgetCached } from './verify-files.ts';

/** The counts of free clusters in an information sector, which are those of the twin. */
const COUNTS = { offset: 488, length: 8 } as const;

interface Sides {
  readonly left: FileHandle;
  readonly right: FileHandle;
  readonly geometries: Geometries;
  readonly report: (bytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Compares a twin with its source, both read by our own reader: the boot sectors as they were planned, every entry of
 * every folder byte for byte but for its place, and the contents of every file.
 *
 * @param twin what was planned for a device of this size
 * @throws {FileSystemError} `DAMAGED` when the twin is not sound
 */
export async function verifyFat(
  volume: FatVolume,
  twin: FatTwin,
  [source, destination]: readonly [source: string, destination: string],
  context: CopyContext,
): Promise<Difference[]> {
  await forgetCached(destination, context.signal);
  return withDevice(source, 'read', (left) =>
    withDevice(destination, 'read', async (right) => {
      const made = await readVolume(right, twin.geometry.totalBytes);
      const geometries = [volume.geometry, made.geometry] as const;
      const sides = { left, right, geometries, report: countBytes(context), signal: context.signal };
      return [
        ...compareReserved(twin, made),
        ...compareState(volume, made),
        ...(await compareTables(right, made)),
        ...(await collectDifferences(compareFolder(sides, '', volume.root, made.root))),
      ];
    }),
  );
}

function compareReserved(wanted: FatTwin, made: FatVolume): Difference[] {
  const [left, right] = [wanted, made].map(({ reserved, geometry }) => {
    const sectors = Buffer.from(reserved);
    for (const offset of geometry.infoOffsets) {
      sectors.fill(0, offset + COUNTS.offset, offset + COUNTS.offset + COUNTS.length);
    }
    return sectors;
  });
  if (left === undefined || right === undefined || left.equals(right)) return [];
  const place = left.findIndex((byte, index) => byte !== right[index]);
  const property = place >= 0 && place < BOOT_SECTOR_BYTES ? 'boot sector' : 'reserved sectors';
  return [{ path: '', property, left: `byte ${place}`, right: 'is another' }];
}

/** Whether it was unmounted properly, and what belongs to no file. */
function compareState(volume: FatVolume, made: FatVolume): Difference[] {
  const state = ({ table }: FatVolume): string =>
    table.kind === 12 || !isDirty(table) ? 'unmounted' : 'not unmounted';
  const found: Difference[] = [];
  // FAT12 has no such mark.
  if (volume.table.kind !== 12 && made.table.kind !== 12 && state(volume) !== state(made)) {
    found.push({ path: '', property: 'state', left: state(volume), right: state(made) });
  }
  if (made.lostClusters > 0) {
    found.push({ path: '', property: 'lost clusters', left: '0', right: String(made.lostClusters) });
  }
  return found;
}

/** The tables must be equal: a system reads any of them. */
async function compareTables(device: FileHandle, { geometry, table }: FatVolume): Promise<Difference[]> {
  const found: Difference[] = [];
  for (let number = 0; number < geometry.fatCount; number++) {
    const bytes = await readAt(
      device,
      geometry.reservedBytes + number * geometry.fatBytes,
      geometry.fatBytes,
    );
    if (bytes.equals(table.bytes)) continue;
    const property = `file allocation table ${number + 1}`;
    found.push({ path: '', property, left: 'like the others', right: 'differs from the others' });
  }
  return found;
}

async function* compareFolder(
  sides: Sides,
  path: string,
  left: readonly FatNode[],
  right: readonly FatNode[],
): AsyncGenerator<Difference> {
  const rest = new Map(right.map((node) => [keyOf(node), node]));
  for (const node of left) {
    sides.signal?.throwIfAborted();
    const twin = rest.get(keyOf(node));
    rest.delete(keyOf(node));
    const inside = `${path}${node.item.name}`;
    if (twin === undefined) {
      yield { path: inside, property: 'existence', left: 'exists', right: 'missing' };
    } else yield* compareNode(sides, inside, node, twin);
  }
  for (const { item } of rest.values()) {
    yield { path: `${path}${item.name}`, property: 'existence', left: 'missing', right: 'exists' };
  }
}

function keyOf({ item }: FatNode): string {
  return `${item.kind} ${item.name}`;
}

async function* compareNode(
  sides: Sides,
  path: string,
  left: FatNode,
  right: FatNode,
): AsyncGenerator<Difference> {
  yield* compareEntry(sides, path, left, right);
  if (left.item.kind === 'folder') yield* compareFolder(sides, `${path}/`, left.children, right.children);
  if (left.item.kind === 'file' && left.item.size === right.item.size) {
    yield* compareContents(sides, path, left, right);
  }
}

/** Parts of a short entry, from its beginning: Microsoft's fatgen103, "FAT Directory Structure". */
const ENTRY_PARTS: readonly (readonly [property: string, offset: number, length: number])[] = [
  ['short name', 0, 11],
  ['attributes', 11, 1],
  ['case of the short name', 12, 1],
  ['creation time', 13, 5],
  ['access time', 18, 2],
  ['extended attributes', 20, 2],
  ['modification time', 22, 4],
  ['size', 28, 4],
];
const ENTRY_BYTES = 32;

function* compareEntry(
  { geometries }: Sides,
  path: string,
  left: FatNode,
  right: FatNode,
): Generator<Difference> {
  const [from, to] = [geometries[0].kind, geometries[1].kind];
  const [a, b] = [
    slotsWithCluster(left.item, { from, to }, 0),
    slotsWithCluster(right.item, { from: to, to }, 0),
  ];
  const [aEntry, bEntry] = [a.subarray(a.length - ENTRY_BYTES), b.subarray(b.length - ENTRY_BYTES)];
  const [aName, bName] = [a.subarray(0, -ENTRY_BYTES), b.subarray(0, -ENTRY_BYTES)];
  if (!aName.equals(bName)) {
    yield { path, property: 'long name', left: nameIn(aName), right: nameIn(bName) };
  }
  for (const [property, offset, length] of ENTRY_PARTS) {
    const [x, y] = [aEntry, bEntry].map((entry) => entry.toString('hex', offset, offset + length));
    if (x !== y) yield { path, property, left: `${x}`, right: `${y}` };
  }
}

/** Where the characters of a name stand in an entry of it; the last entry comes first. */
const NAME_PARTS = [
  [1, 11],
  [14, 26],
  [28, 32],
] as const;

function nameIn(slots: Buffer): string {
  let name = '';
  for (let end = slots.length; end > 0; end -= ENTRY_BYTES) {
    const slot = slots.subarray(end - ENTRY_BYTES, end);
    name += NAME_PARTS.map(([start, stop]) => slot.toString('utf16le', start, stop)).join('');
  }
  return name.replace(/\0\uffff*$/, '');
}

async function* compareContents(
  { left, right, geometries, report, signal }: Sides,
  path: string,
  from: FatNode,
  to: FatNode,
): AsyncGenerator<Difference> {
  let done = 0;
  for (const piece of piecesOf({ from: from.chain, to: to.chain, size: from.item.size }, geometries)) {
    signal?.throwIfAborted();
    const [a, b] = await Promise.all([
      readAt(left, piece.from, piece.length),
      readAt(right, piece.to, piece.length),
    ]);
    report(piece.length);
    const place = a.equals(b) ? -1 : a.findIndex((byte, index) => byte !== b[index]);
    if (place >= 0) {
      yield { path, property: 'content', left: `byte ${done + place}`, right: 'is another' };
      return;
    }
    done += piece.length;
  }
}
