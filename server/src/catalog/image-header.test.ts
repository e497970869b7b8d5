import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEAD_BYTES, recogniseImage, refusalOf } from './image-header.ts';

const SIZE = 1024 * 1024;

function head(...parts: readonly (readonly [offset: number, bytes: string | Buffer])[]): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  for (const [offset, part] of parts) {
    bytes.set(typeof part === 'string' ? Buffer.from(part, 'latin1') : part, offset);
  }
  return bytes;
}

function be(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function le(value: bigint): Buffer {
  return Buffer.from(be(value).toReversed());
}

const QCOW2 = [0, 'QFI\xfb\0\0\0\x03'] as const;
const DESCRIPTION =
  '# Disk DescriptorFile\nparentCID=ffffffff\ncreateType="monolithicSparse"\nRW 20480 SPARSE "a.vmdk"\n';

function vmdk(description: string, capacity = 20480n, start = 1n): Buffer {
  return head([0, 'KDMV'], [12, le(capacity)], [28, le(start)], [36, le(20n)], [512, description]);
}

/** Blocks of 512 KiB begin at 512 KiB. */
function vdi(type: number, blocks: number): Buffer {
  const numbers = [type, 512 * 1024, 512 * 1024, blocks].map((value) => le(BigInt(value)).subarray(0, 4));
  const places = [0x4c, 0x158, 0x178, 0x184];
  return head(
    [0x40, '\x7f\x10\xda\xbe'],
    ...numbers.map((bytes, index) => [places[index] ?? 0, bytes] as const),
  );
}

function refusalIn(bytes: Buffer, size = SIZE): string {
  const recognised = recogniseImage(bytes, size);
  assert.ok('refusal' in recognised, JSON.stringify(recognised));
  return recognised.refusal;
}

test('formats are recognised by their first bytes', () => {
  const known = [
    [head(QCOW2), 'qcow2'],
    [head([0, 'QFI\xfb\0\0\0\x02']), 'qcow2'],
    [vmdk(DESCRIPTION), 'vmdk'],
    [vmdk(DESCRIPTION.replace('monolithicSparse', 'streamOptimized')), 'vmdk'],
    [head([0, 'vhdxfile']), 'vhdx'],
    [vdi(1, 0), 'vdi'],
    [vdi(2, 1), 'vdi'],
    [head([510, '\x55\xaa']), 'raw'],
    [Buffer.alloc(512), 'raw'],
  ] as const;
  for (const [bytes, format] of known) assert.deepEqual(recogniseImage(bytes, SIZE), { format });
});

test('what is no disk is refused in words', () => {
  assert.match(refusalIn(head(), 0), /empty/);
  assert.match(refusalIn(Buffer.from('root:x:0:0'), 10), /no whole number of sectors/);
  for (const magic of [
    '\x1f\x8b',
    'PK\x03\x04',
    '\xfd7zXZ\0',
    'BZh9',
    '\x28\xb5\x2f\xfd',
    '7z\xbc\xaf\x27\x1c',
  ]) {
    assert.match(refusalIn(head([0, magic])), /unpack it first/, magic);
  }
  assert.match(refusalIn(head([257, 'ustar'])), /unpack it first/);
  for (const magic of ['conectix', 'QED\0', 'COWD', 'QFI\xfb\0\0\0\x01']) {
    assert.match(refusalIn(head([0, magic])), /convert it first: qemu-img convert/, magic);
  }
  assert.match(refusalIn(head([0, 'LUKS\xba\xbe'])), /encrypted/);
  assert.match(refusalIn(head([0, '# Disk DescriptorFile\nversion=1'])), /in other files/);
});

test('a qcow2 that needs another file, or is encrypted, is refused', () => {
  assert.match(refusalIn(head(QCOW2, [8, be(0x70n)])), /backing file/);
  assert.match(refusalIn(head(QCOW2, [32, '\0\0\0\x02'])), /encrypted/);
  assert.match(refusalIn(head(QCOW2, [72, be(4n)])), /data is in another file/);
  assert.match(refusalIn(head(QCOW2).subarray(0, 100)), /cut short/);
  // Dirty, which qemu-img checks; and the same bytes in version 2, where they are no features.
  assert.equal(refusalOf(head(QCOW2, [72, be(1n)]), SIZE, 'qcow2'), undefined);
  assert.equal(refusalOf(head([0, 'QFI\xfb\0\0\0\x02'], [72, be(4n)]), SIZE, 'qcow2'), undefined);
});

test('a VMDK that needs another file is refused, wherever it says so', () => {
  const hint = 'parentFileNameHint="/etc/shadow"\n';
  assert.match(refusalIn(vmdk(DESCRIPTION + hint)), /backing file/);
  assert.match(refusalIn(vmdk(DESCRIPTION + `  PARENTFILENAMEHINT="x"\n`)), /backing file/);
  assert.match(refusalIn(vmdk(DESCRIPTION.replace('ffffffff', '12345678'))), /backing file/);
  assert.match(refusalIn(vmdk(DESCRIPTION.replace(/parentCID.*\n/, ''))), /one part of several/);
  assert.match(refusalIn(vmdk(DESCRIPTION, 0n)), /in other files/);
  assert.match(refusalIn(vmdk(DESCRIPTION, 20480n, 0n)), /one part of several/);
  assert.match(refusalIn(vmdk(DESCRIPTION, 20480n, 2n ** 60n)), /not where it should be/);
  assert.match(
    refusalIn(vmdk(DESCRIPTION.replace('monolithicSparse', 'monolithicFlat'))),
    /kind "monolithicFlat"/,
  );
  assert.match(refusalIn(vmdk(`${DESCRIPTION}RW 1 FLAT "/etc/shadow" 0\n`)), /in 2 files/);
  assert.match(refusalIn(vmdk(DESCRIPTION).subarray(0, 60)), /cut short/);
});

test('a VDI that needs another file, or is cut short, is refused', () => {
  assert.match(refusalIn(vdi(4, 0)), /backing file/);
  assert.match(refusalIn(vdi(1, 2)), /cut short: it has 1048576 bytes, by its header it has 1572864/);
  assert.match(refusalIn(vdi(1, 1), SIZE - 1), /cut short/);
  assert.match(refusalIn(vdi(1, 0).subarray(0, 0x180)), /cut short/);
});

test('what is said to be raw is taken as it is, whatever is on it', () => {
  assert.equal(refusalOf(head(QCOW2, [8, be(0x70n)]), SIZE, 'raw'), undefined);
  assert.match(refusalOf(head(), SIZE + 1, 'raw') ?? '', /no whole number of sectors/);
});
