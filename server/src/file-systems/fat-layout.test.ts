import assert from 'node:assert/strict';
import test from 'node:test';
import { parseDirectory } from './fat-directory.ts';
import type { FatGeometry } from './fat-geometry.ts';
import { type FatLayout, layOutTwin } from './fat-layout.ts';
import { type ClusterRun, readEntry } from './fat-table.ts';
import type { FatNode, FatVolume } from './fat-volume.ts';

const layOut = (volume: FatVolume): FatLayout => layOutTwin(volume, volume.geometry);

const LONG_NAME = 0x0f;
const FOLDER = 0x10;

test('a folder is read without deleted names and without parts of long names that belong to none', () => {
  const bytes = Buffer.concat([
    entry('LABEL      ', { attributes: 0x08 }),
    entry('Alongnamepa', { attributes: LONG_NAME }),
    entry('\xe5LETED  TXT'),
    entry('Blongnamepa', { attributes: LONG_NAME }),
    entry('FILE    TXT', { cluster: 5, size: 7 }),
    entry('.          ', { attributes: FOLDER, cluster: 3 }),
    Buffer.alloc(32),
    entry('BEHIND  END'),
  ]);
  const items = parseDirectory(bytes, 16);
  assert.deepEqual(
    items.map(({ kind, name, cluster, size, slots }) => [kind, name, cluster, size, slots.length]),
    [
      ['label', 'LABEL', 0, 0, 32],
      ['file', 'FILE.TXT', 5, 7, 64],
      ['self', '.', 3, 0, 32],
    ],
  );
});

test('the upper half of the first cluster counts on FAT32 only', () => {
  const bytes = entry('FILE    TXT', { cluster: 0x20005 });
  assert.equal(parseDirectory(bytes, 32)[0]?.cluster, 0x20005);
  assert.equal(parseDirectory(bytes, 16)[0]?.cluster, 5);
});

test('files are laid out one after another around the first cluster of the root folder', () => {
  const root = [
    file('ONE     TXT', [{ first: 40, count: 1 }], 512),
    file('TWO     TXT', [{ first: 10, count: 3 }], 1500),
    file('EMPTY   TXT', [], 0),
  ];
  const layout = layOut(volumeOf(root, 4));
  assert.deepEqual(
    layout.files.map(({ to }) => to),
    [
      [{ first: 2, count: 1 }],
      [
        { first: 3, count: 1 },
        { first: 5, count: 2 },
      ],
    ],
  );
  const entries = [2, 3, 4, 5, 6, 7].map((cluster) => readEntry(layout.table, cluster));
  assert.deepEqual(entries, [0x0fffffff, 5, 0x0fffffff, 6, 0x0fffffff, 0]);
  assert.deepEqual([layout.usedClusters, layout.nextFree], [5, 7]);
  const clusters = parseDirectory(layout.folders[0]?.content ?? Buffer.alloc(0), 32).map(
    ({ cluster }) => cluster,
  );
  assert.deepEqual(clusters, [2, 3, 0]);
});

test('a folder and its links to itself and to its parent are given their new clusters', () => {
  const inner = folder('INNER      ', 30, [link('.          ', 30), link('..         ', 20)]);
  const outer = folder('OUTER      ', 20, [link('.          ', 20), link('..         ', 0), inner]);
  const { folders } = layOut(volumeOf([outer], 2));
  const linksOf = (index: number): number[] =>
    parseDirectory(folders[index]?.content ?? Buffer.alloc(0), 32).map(({ cluster }) => cluster);
  assert.deepEqual(
    folders.map(({ clusters }) => clusters[0]?.first),
    [4, 3, 2],
  );
  assert.deepEqual([linksOf(0), linksOf(1), linksOf(2)], [[4, 3], [3, 0, 4], [3]]);
});

test('a root folder that needs several clusters begins at the cluster that the boot sector names', () => {
  const root = Array.from({ length: 20 }, (_, number) =>
    file(`FILE${String(number).padStart(4, '0')}TXT`, [], 0),
  );
  const { folders, table } = layOut(volumeOf(root, 6));
  assert.deepEqual(folders[0]?.clusters, [
    { first: 6, count: 1 },
    { first: 2, count: 1 },
  ]);
  assert.deepEqual([readEntry(table, 6), readEntry(table, 2)], [2, 0x0fffffff]);
});

function entry(
  name: string,
  { attributes = 0x20, cluster = 0, size = 0 }: { attributes?: number; cluster?: number; size?: number } = {},
): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.write(name, 'latin1');
  bytes.writeUInt8(attributes, 11);
  bytes.writeUInt16LE(Math.floor(cluster / 0x10000), 20);
  bytes.writeUInt16LE(cluster % 0x10000, 26);
  bytes.writeUInt32LE(size, 28);
  return bytes;
}

function nodeOf(bytes: Buffer, chain: readonly ClusterRun[], children: readonly FatNode[]): FatNode {
  const [item] = parseDirectory(bytes, 32);
  assert.ok(item);
  return { item, chain, children };
}

function file(name: string, chain: readonly ClusterRun[], size: number): FatNode {
  return nodeOf(entry(name, { cluster: chain[0]?.first ?? 0, size }), chain, []);
}

function folder(name: string, cluster: number, children: readonly FatNode[]): FatNode {
  return nodeOf(entry(name, { attributes: FOLDER, cluster }), [{ first: cluster, count: 1 }], children);
}

function link(name: string, cluster: number): FatNode {
  return nodeOf(entry(name, { attributes: FOLDER, cluster }), [], []);
}

function volumeOf(root: readonly FatNode[], rootCluster: number): FatVolume {
  const geometry = {
    kind: 32,
    clusterSize: 512,
    rootCluster,
    clusterCount: 60,
    fatBytes: 256,
  } as FatGeometry;
  const table = { kind: 32 as const, bytes: Buffer.alloc(64 * 4) };
  return { geometry, reserved: Buffer.alloc(0), table, root, usedClusters: 0, lostClusters: 0 };
}
