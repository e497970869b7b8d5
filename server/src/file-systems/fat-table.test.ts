import assert from 'node:assert/strict';
import test from 'node:test';
import type { FatGeometry, FatKind } from './fat-geometry.ts';
import { emptyTable, type FatTable, isDirty, readChains, readEntry, writeEntry } from './fat-table.ts';

const KINDS: readonly FatKind[] = [12, 16, 32];

test('entries of all widths are written without touching their neighbours', () => {
  for (const kind of KINDS) {
    const table = makeTable(kind, 20);
    for (let cluster = 0; cluster < 20; cluster++) writeEntry(table, cluster, (cluster * 37 + 0xabc) % 0xfff);
    for (let cluster = 0; cluster < 20; cluster++) {
      assert.equal(
        readEntry(table, cluster),
        (cluster * 37 + 0xabc) % 0xfff,
        `FAT${kind}, cluster ${cluster}`,
      );
    }
  }
});

test('two FAT12 entries share three bytes as the specification draws it', () => {
  const table = { kind: 12 as const, bytes: Buffer.from('563412', 'hex') };
  assert.deepEqual([readEntry(table, 0), readEntry(table, 1)], [0x456, 0x123]);
});

test('the reserved bits of a FAT32 entry are kept', () => {
  const table = { kind: 32 as const, bytes: Buffer.from('000000f0', 'hex') };
  writeEntry(table, 0, 0x0123456);
  assert.equal(table.bytes.readUInt32LE(0), 0xf0123456);
});

test('an empty table keeps the media type and the state', () => {
  const table = { kind: 16 as const, bytes: Buffer.from('f8ffff7f0300ffff', 'hex') };
  assert.equal(isDirty(table), true);
  const twin = (kind: FatKind, fatBytes: number): string =>
    emptyTable(table, { kind, fatBytes } as FatGeometry).bytes.toString('hex');
  assert.equal(twin(16, 10), 'f8ffff7f000000000000');
  assert.equal(twin(32, 12), 'f8ffff0fffffff0700000000');
  assert.equal(twin(12, 6), 'f8ffff000000');
});

test('a chain is followed as runs, and lost and bad clusters are told apart', () => {
  const table = makeTable(16, 12);
  const links: Record<number, number> = { 2: 3, 3: 4, 4: 8, 8: 9, 9: 0xffff, 6: 0xfff7, 7: 0xffff };
  for (const [cluster, next] of Object.entries(links)) writeEntry(table, Number(cluster), next);
  const chains = readChains(table, geometryOf(10));
  assert.deepEqual(chains.follow(2, 'file'), [
    { first: 2, count: 3 },
    { first: 8, count: 2 },
  ]);
  assert.equal(chains.used(), 5);
  assert.equal(chains.lost(), 1);
});

for (const [fault, next] of Object.entries({
  'a circle': 2,
  'a free cluster': 0,
  'a number that is too high': 99,
})) {
  test(`a chain that ends in ${fault} is damage`, () => {
    const table = makeTable(16, 12);
    writeEntry(table, 2, 3);
    writeEntry(table, 3, next);
    assert.throws(() => readChains(table, geometryOf(10)).follow(2, '/NAME'), {
      code: 'DAMAGED',
      message: /\/NAME/,
    });
  });
}

test('a first cluster that marks an end is damage', () => {
  const chains = readChains(makeTable(16, 12), geometryOf(10));
  assert.throws(() => chains.follow(0xffff, '/NAME'), { code: 'DAMAGED' });
});

function makeTable(kind: FatKind, entries: number): FatTable {
  return { kind, bytes: Buffer.alloc(Math.ceil((entries * kind) / 8)) };
}

function geometryOf(clusterCount: number): FatGeometry {
  return { clusterCount } as FatGeometry;
}
