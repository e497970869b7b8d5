import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { sizeOfDevice } from '../file-systems/block-device.ts';
import type { FileSystem } from '../file-systems/file-system.ts';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import { withInnerDevice } from './inner-device.ts';
import { parseMdSuperblock, superblockPlaces } from './md-superblock.ts';

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;
const DATA_OFFSET = 2 * MIB;
const UUID = '00112233445566778899aabbccddeeff';

interface Member {
  readonly minor: 0 | 1 | 2;
  readonly features?: number;
  readonly level?: number;
  readonly roles?: readonly number[];
  readonly badBlock?: boolean;
}

/** A device of a mirror as mdadm makes it; this kernel may have no md. The layout is that of md_p.h. */
async function writeMember(
  device: string,
  { minor, features = 9, level = 1, roles = [0, 1], badBlock }: Member,
): Promise<void> {
  const size = await sizeOfDevice(device);
  const place = superblockPlaces(size).find((place) => place.minor === minor);
  assert.ok(place);
  const isAtEnd = minor === 0;
  const start = isAtEnd ? 0 : DATA_OFFSET;
  const room = isAtEnd ? place.offset - 64 * 1024 : size - DATA_OFFSET;
  const superblock = Buffer.alloc(4096);
  superblock.writeUInt32LE(0xa92b4efc, 0);
  superblock.writeUInt32LE(1, 4);
  superblock.writeUInt32LE(features, 8);
  superblock.write(UUID, 16, 'hex');
  superblock.write('server:data', 32, 'latin1');
  superblock.writeInt32LE(level, 72);
  superblock.writeBigUInt64LE(BigInt(Math.floor(room / 65536) * 128), 80);
  superblock.writeUInt32LE(2, 92);
  superblock.writeInt32LE(isAtEnd ? -16 : 8, 96);
  superblock.writeBigUInt64LE(BigInt(start / 512), 128);
  superblock.writeBigUInt64LE(BigInt(room / 512), 136);
  superblock.writeBigUInt64LE(BigInt(place.offset / 512), 144);
  superblock.write('0123456789abcdef0123456789abcdef', 168, 'hex');
  superblock.writeUInt8(9, 185);
  superblock.writeUInt16LE(8, 186);
  superblock.writeInt32LE(isAtEnd ? -8 : 16, 188);
  superblock.writeBigUInt64LE(18n, 200);
  superblock.writeBigUInt64LE(0xffffffffffffffffn, 208);
  superblock.writeUInt32LE(128, 220);
  for (let number = 0; number < 128; number++)
    superblock.writeUInt16LE(roles[number] ?? 0xffff, 256 + number * 2);
  superblock.writeUInt32LE(checksumOf(superblock), 216);
  const badBlocks = Buffer.alloc(4096, 0xff);
  if (badBlock === true) badBlocks.writeBigUInt64LE(1n << 10n, 0);
  const file = await open(device, 'r+');
  await file.write(superblock, 0, 4096, place.offset);
  await file.write(badBlocks, 0, 4096, place.offset + (isAtEnd ? -8 : 16) * 512);
  await file.sync();
  await file.close();
}

function checksumOf(superblock: Buffer): number {
  let sum = 0;
  for (let offset = 0; offset < 512; offset += 4) sum += offset === 216 ? 0 : superblock.readUInt32LE(offset);
  return (sum % 2 ** 32) + Math.floor(sum / 2 ** 32);
}

const dataOf = async (device: string, minor: 0 | 1 | 2): Promise<{ start: number; size: number }> => {
  const place = superblockPlaces(await sizeOfDevice(device)).find((place) => place.minor === minor);
  assert.ok(place);
  const file = await open(device);
  const superblock = Buffer.alloc(4096);
  await file.read(superblock, 0, 4096, place.offset);
  await file.close();
  const member = parseMdSuperblock(superblock, place);
  assert.ok(member);
  return member.data;
};

async function withArray<T>(
  bench: Workbench,
  device: string,
  minor: 0 | 1 | 2,
  work: (path: string) => Promise<T>,
): Promise<T> {
  return withInnerDevice(device, [await dataOf(device, minor)], bench, work);
}

async function makeMirror(bench: Workbench, member: Member): Promise<{ device: string; content: Buffer }> {
  const device = await bench.loop(bench.file('source', SIZE));
  await writeMember(device, member);
  const content = randomBytes(2 * MIB);
  await withArray(bench, device, member.minor, async (path) => {
    await run(['mke2fs', '-q', '-t', 'ext4', path]);
    const folder = await bench.mount(path);
    await writeFile(join(folder, 'content'), content);
    await bench.unmount(folder);
  });
  return { device, content };
}

async function carry(bench: Workbench, source: string, destination: string): Promise<FileSystem> {
  const context = { ...bench.context, zeroed: false };
  const found = await recogniseFileSystem(source, { session: bench.session });
  assert.equal(found.how, 'files', found.notes.join());
  await found.create(destination, context);
  await found.copy(source, destination, context);
  assert.deepEqual(await found.verify(source, destination, context), []);
  return found;
}

/** What mdadm, which checks the checksum, says of a device. */
async function examine(device: string): Promise<string> {
  return (await run(['mdadm', '--examine', device])).stdout;
}

for (const [minor, sizes] of [
  [0, [40 * MIB, 96 * MIB]],
  [1, [SIZE]],
  [2, [SIZE, 40 * MIB]],
] as const) {
  test(`a mirror with a superblock 1.${minor} is read from one device, and its copy is alone`, async (t) => {
    const bench = openWorkbench(t);
    const { device, content } = await makeMirror(bench, { minor });
    for (const size of sizes) {
      const file = bench.file(`destination-${size}`, size);
      await writeFile(file, randomBytes(size));
      const destination = await bench.loop(file);
      const found = await carry(bench, device, destination);
      assert.match(found.notes.join(), /one of 2 devices of the mirror server:data/);
      assert.match(found.notes.join(), /bitmap is not kept/);

      const report = await examine(destination);
      assert.match(report, /Checksum : [0-9a-f]+ - correct/);
      assert.match(report, /Array UUID : 00112233:44556677:8899aabb:ccddeeff/);
      assert.match(report, new RegExp(`Version : 1\\.${minor}`));
      assert.match(report, /Array State : A\. /);
      assert.match(report, /Events : 1018/);
      assert.doesNotMatch(report, /Internal Bitmap/);
      assert.match(report, /Bad Block Log : 512 entries available/);
      await withArray(bench, destination, minor, async (path) => {
        await run(['e2fsck', '-f', '-n', path]);
        assert.ok(
          (await sizeOfDevice(path)) > size - 5 * MIB,
          `the array has ${await sizeOfDevice(path)} bytes`,
        );
        const folder = await bench.mount(path);
        assert.ok((await readFile(join(folder, 'content'))).equals(content));
        await bench.unmount(folder);
      });
    }
    const small = (await recogniseFileSystem(device, { session: bench.session })).suitability({
      bytes: 4 * MIB,
      sectorBytes: 512,
    });
    assert.match(small.obstacle ?? '', /inside the mirror: the ext4 file system needs at least/);
  });
}

test('two copies of one mirror never count as equally new', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeMirror(bench, { minor: 2, roles: [1, 0] });
  const destination = await bench.loop(bench.file('destination', SIZE));
  await carry(bench, device, destination);
  assert.match(await examine(destination), /Events : 2018/);
});

for (const [title, member, reason] of [
  ['of RAID 5', { minor: 2, level: 5 }, /RAID level 5, which takes all of its devices/],
  ['that is rebuilt', { minor: 2, features: 2 }, /being rebuilt or reshaped/],
  ['that is a spare', { minor: 2, roles: [0xffff, 0] }, /spare or failed/],
  ['with bad blocks', { minor: 2, badBlock: true }, /could not be written/],
] as const) {
  test(`a device ${title} is copied as sectors, with the reason`, async (t) => {
    const bench = openWorkbench(t);
    const device = await bench.loop(bench.file('source', SIZE));
    await writeMember(device, member);
    const found = await recogniseFileSystem(device, { session: bench.session });
    assert.equal(found.how, 'sectors');
    assert.match(found.notes.join(), reason);
  });
}

test('a superblock with a wrong checksum is damaged', async (t) => {
  const bench = openWorkbench(t);
  const device = await bench.loop(bench.file('source', SIZE));
  await writeMember(device, { minor: 1 });
  const file = await open(device, 'r+');
  await file.write(Buffer.from([7]), 0, 1, 40);
  await file.sync();
  await file.close();
  const found = await recogniseFileSystem(device, { session: bench.session });
  assert.equal(found.how, 'sectors');
});
