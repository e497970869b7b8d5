import assert from 'node:assert/strict';
import test from 'node:test';
import { bytesInChunks, parseChunkUse, smallestForChunks } from './btrfs-space.ts';
import { parseBtrfsSuperblock } from './btrfs-superblock.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

function superblock(): Buffer {
  const raw = Buffer.alloc(4096);
  raw.set(Buffer.from('00112233445566778899aabbccddeeff', 'hex'), 32);
  raw.write('_BHRfS_M', 64, 'latin1');
  raw.writeBigUInt64LE(BigInt(8 * GIB), 112);
  raw.writeBigUInt64LE(BigInt(GIB), 120);
  raw.writeBigUInt64LE(1n, 136);
  raw.writeUInt32LE(4096, 144);
  raw.writeUInt32LE(16_384, 148);
  raw.writeUInt16LE(2, 196);
  raw.write('a läbel', 299, 'utf8');
  // skinny-metadata, no-holes, an unknown one; free space tree.
  raw.writeBigUInt64LE((1n << 8n) | (1n << 9n) | (1n << 40n), 188);
  raw.writeBigUInt64LE(3n, 180);
  return raw;
}

test('a superblock is decoded field by field', () => {
  assert.deepEqual(parseBtrfsSuperblock(superblock()), {
    uuid: '00112233-4455-6677-8899-aabbccddeeff',
    label: 'a läbel',
    totalBytes: 8 * GIB,
    usedBytes: GIB,
    deviceCount: 1,
    sectorBytes: 4096,
    nodeBytes: 16_384,
    checksum: 'sha256',
    features: ['skinny-metadata', 'no-holes', 'FEATURE_I40', 'free-space-tree', 'free-space-tree-valid'],
    isSeed: false,
    isChangingUuid: false,
    hasLog: false,
  });
});

test('the states of a superblock are told apart', () => {
  const raw = superblock();
  raw.writeBigUInt64LE((1n << 32n) | (1n << 35n), 56);
  raw.writeBigUInt64LE(123n, 96);
  const { isSeed, isChangingUuid, hasLog } = parseBtrfsSuperblock(raw);
  assert.deepEqual([isSeed, isChangingUuid, hasLog], [true, true, true]);
  raw.writeUInt8(0, 64);
  assert.throws(() => parseBtrfsSuperblock(raw), { code: 'DAMAGED' });
});

test('the use of chunks is read without the global reserve, and copies count', () => {
  const uses = parseChunkUse(
    'Data, single: total=1357905920, used=1000\nSystem, DUP: total=8388608, used=16\n' +
      'Metadata, DUP: total=268435456, used=300\nGlobalReserve, single: total=5767168, used=0\n',
  );
  assert.deepEqual(
    uses.map(({ kind, profile, usedBytes }) => [kind, profile, usedBytes]),
    [
      ['Data', 'single', 1000],
      ['System', 'DUP', 16],
      ['Metadata', 'DUP', 300],
    ],
  );
  assert.equal(bytesInChunks(uses), 1000 + 32 + 600);
});

test('the least size has room for chunks that do not get full: much on a small device, a tenth on a large one', () => {
  const least = (data: number, metadata: number): number =>
    smallestForChunks([
      { kind: 'Data', profile: 'single', totalBytes: 0, usedBytes: data },
      { kind: 'System', profile: 'DUP', totalBytes: 0, usedBytes: 0 },
      { kind: 'Metadata', profile: 'DUP', totalBytes: 0, usedBytes: metadata },
    ]);
  // Measured: 900 MiB and 64 MiB went to 2 GiB, and not to 1500 MiB.
  assert.ok(least(900 * MIB, 64 * MIB) > 1500 * MIB);
  assert.ok(least(900 * MIB, 64 * MIB) <= 2 * GIB);
  assert.ok(least(100 * GIB, GIB) < 120 * GIB);
  assert.ok(least(MIB, MIB) <= 300 * MIB);
});
