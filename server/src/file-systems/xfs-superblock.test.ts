import assert from 'node:assert/strict';
import test from 'node:test';
import { crc32c } from './crc32c.ts';
import { mkfsXfsCommand } from './xfs-mkfs.ts';
import { parseXfsSuperblock } from './xfs-superblock.ts';

interface Fields {
  readonly version?: number;
  readonly readOnlyCompatible?: number;
  readonly incompatible?: number;
  readonly features2?: number;
}

function sector({
  version = 0xb4a5,
  readOnlyCompatible = 0,
  incompatible = 1,
  features2 = 0x18a,
}: Fields = {}): Buffer {
  const raw = Buffer.alloc(512);
  raw.write('XFSB', 'latin1');
  raw.writeUInt32BE(4096, 4);
  raw.writeBigUInt64BE(524_288n, 8);
  raw.set(Buffer.from('00112233445566778899aabbccddeeff', 'hex'), 32);
  // Block 5 of allocation group 2, whose numbers begin at 2 x 2^18 although a group has only 200000 blocks.
  raw.writeBigUInt64BE((2n << 18n) + 5n, 48);
  raw.writeUInt32BE(200_000, 84);
  raw.writeUInt32BE(4, 88);
  raw.writeUInt32BE(16_384, 96);
  raw.writeUInt16BE(version, 100);
  raw.writeUInt16BE(512, 102);
  raw.writeUInt16BE(1024, 104);
  raw.write('a label', 108, 'utf8');
  raw.writeUInt8(18, 124);
  raw.writeUInt8(25, 127);
  raw.writeBigUInt64BE(64n, 128);
  raw.writeBigUInt64BE(61n, 136);
  raw.writeBigUInt64BE(500_000n, 144);
  raw.writeUInt32BE(16, 184);
  raw.writeUInt32BE(64, 188);
  raw.writeUInt8(2, 192);
  raw.writeUInt32BE(32_768, 196);
  raw.writeUInt32BE(features2, 200);
  raw.writeUInt32BE(readOnlyCompatible, 212);
  raw.writeUInt32BE(incompatible, 216);
  raw.writeUInt32LE(~crc32c(0xffffffff, raw) >>> 0, 224);
  return raw;
}

test('a superblock of version 5 is decoded field by field', () => {
  const superblock = parseXfsSuperblock(
    sector({ readOnlyCompatible: 0b1101, incompatible: 0b100_0010_1011 }),
  );
  assert.deepEqual(superblock, {
    version: 5,
    blockBytes: 4096,
    dataBlocks: 524_288,
    agBlocks: 200_000,
    agCount: 4,
    sectorBytes: 512,
    inodeBytes: 1024,
    directoryBlockBytes: 16_384,
    maxInodePercent: 25,
    usedInodes: 3,
    freeBlocks: 500_000,
    uuid: '00112233-4455-6677-8899-aabbccddeeff',
    label: 'a label',
    logOffset: 400_005 * 4096,
    logBlocks: 16_384,
    logVersion: 2,
    logStripeBytes: 32_768,
    stripeUnit: 16,
    stripeWidth: 64,
    realtimeBlocks: 0,
    hasQuotas: false,
    features: ['finobt', 'reflink', 'inobtcount', 'ftype', 'sparse', 'bigtime', 'nrext64', 'FEATURE_I10'],
  });
});

test('a superblock whose checksum or magic number is wrong is damaged', () => {
  for (const offset of [0, 100, 300]) {
    const raw = sector();
    raw.writeUInt8(raw.readUInt8(offset) ^ 0x10, offset);
    assert.throws(() => parseXfsSuperblock(raw), { code: 'DAMAGED' });
  }
});

test('the command makes a twin of version 5 with each feature named, on or off', () => {
  const superblock = parseXfsSuperblock(sector({ readOnlyCompatible: 0b1101, incompatible: 0b1001 }));
  const command = mkfsXfsCommand({ superblock, dataBlocks: 524_288, sameGeometry: true }, '/dev/twin');
  assert.equal(
    command.join(' '),
    'mkfs.xfs -f -K -q -b size=4096 -s size=512 ' +
      '-m uuid=00112233-4455-6677-8899-aabbccddeeff,crc=1,finobt=1,rmapbt=0,reflink=1,inobtcount=1,bigtime=1 ' +
      '-i size=1024,maxpct=25,sparse=0,nrext64=0 -n size=16384,ftype=1 ' +
      '-d size=524288b,sunit=128,swidth=512,agsize=200000b -l internal,su=32768,size=16384b -L a label /dev/twin',
  );
});

test('the command makes a twin of version 4, and lets mkfs.xfs choose groups and log for another size', () => {
  const superblock = parseXfsSuperblock(sector({ version: 0xf4a4, features2: 0x8a }));
  assert.deepEqual(superblock.features, ['ascii-ci', 'lazy-count', 'attr2', 'projid32bit']);
  const command = mkfsXfsCommand({ superblock, dataBlocks: 20_000, sameGeometry: false }, '/dev/twin', [
    '-N',
  ]);
  assert.equal(
    command.join(' '),
    'mkfs.xfs -f -K -q --unsupported -N -b size=4096 -s size=512 -m uuid=00112233-4455-6677-8899-aabbccddeeff,crc=0 ' +
      '-i size=1024,maxpct=25,attr=2,projid32bit=1 -n size=16384,ftype=0,version=ci ' +
      '-d size=20000b,sunit=128,swidth=512 -l internal,su=32768,version=2,lazy-count=1 -L a label /dev/twin',
  );
});
