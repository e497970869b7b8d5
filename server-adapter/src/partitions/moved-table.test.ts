import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { extendPath, hasTool } from '@diskferry/system/tools';
import { type FileDisk, fileDisk } from '../testing/file-disk.ts';
import { comparableTable, sfdiskTable } from '../testing/sfdisk.ts';
import { type MovedPartition, movedTable } from './moved-table.ts';
import { PartitionTableError } from './partition-table.ts';
import { readPartitionTable } from './read-partition-table.ts';

extendPath();
const missing = ['sfdisk', 'sgdisk'].filter((tool) => !hasTool(tool));
const skip = missing.length > 0 && `missing: ${missing.join(', ')}`;

const MIB = 1024 * 1024;

let folder: string;
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-test-'));
});
after(() => rm(folder, { recursive: true }));

function emptyDisk(mib: number, sectorBytes = 512): FileDisk {
  const path = join(folder, `${count++}.img`);
  writeFileSync(path, '');
  truncateSync(path, mib * MIB);
  return fileDisk(path, sectorBytes);
}

async function partitioned(mib: number, script: string): Promise<FileDisk> {
  const disk = emptyDisk(mib);
  await run(['sfdisk', '-q', '--no-tell-kernel', disk.path], { input: script });
  // Boot code, which must arrive.
  disk.damage(0, Buffer.alloc(440, 0x90));
  return disk;
}

type Place = readonly [startMib: number, sizeMib: number];

/** Writes the source's table to an empty disk, with partitions at other places, by their numbers. */
async function move(source: FileDisk, destination: FileDisk, places: Readonly<Record<number, Place>>) {
  const table = await readPartitionTable(source);
  const partitions = table.partitions.map((partition): MovedPartition => {
    const [start, size] = places[partition.number] ?? [partition.start / MIB, partition.size / MIB];
    return { ...partition, start: start * MIB, size: size * MIB, was: partition };
  });
  const { size: bytes, sectorSize } = destination;
  const target = { bytes, sectorBytes: sectorSize.logical };
  for (const { start, data } of await movedTable(source, table.kind, partitions, target)) {
    destination.damage(start, data);
  }
  const moved = await readPartitionTable(destination);
  assert.deepEqual(moved.warnings, []);
  assert.equal(moved.id, table.id);
  const expected = partitions.map(({ was: _was, ...partition }) => partition);
  assert.deepEqual(moved.partitions, expected);
  assert.deepEqual((await readFile(destination.path)).subarray(0, 440), Buffer.alloc(440, 0x90));
  return moved;
}

const GPT = [
  'label: gpt',
  'label-id: 9F3A6E1C-0C1B-4B0F-8A4E-1D2C3B4A5F60',
  'start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name="BIOS boot"',
  'start=2MiB, size=20MiB, type=C12A7328-F81F-11D2-BA4B-00C04FC93EC9, name="EFI Süd", attrs="RequiredPartition GUID:60"',
  'start=22MiB, size=30MiB, type=L, uuid=11223344-5566-7788-99AA-BBCCDDEEFF00',
  '',
].join('\n');

const MBR = [
  'label: dos',
  'label-id: 0x1234abcd',
  'start=1MiB, size=10MiB, type=83, bootable',
  'start=11MiB, size=50MiB, type=f',
  'start=12MiB, size=10MiB, type=83',
  'start=23MiB, size=10MiB, type=8e',
  '',
].join('\n');

describe('a moved partition table', { skip }, () => {
  test('is a sound GPT on a larger disk, also for sgdisk and sfdisk', async () => {
    const destination = emptyDisk(200);
    const moved = await move(await partitioned(64, GPT), destination, { 3: [22, 170] });
    assert.deepEqual(comparableTable(moved), await sfdiskTable(destination.path));
    const { stdout } = await run(['sgdisk', '--verify', destination.path]);
    assert.match(stdout, /No problems found/);
  });

  test('is a sound GPT on a smaller disk', async () => {
    const destination = emptyDisk(40);
    await move(await partitioned(64, GPT), destination, { 3: [22, 17] });
    const { stdout } = await run(['sgdisk', '--verify', destination.path]);
    assert.match(stdout, /No problems found/);
  });

  for (const [kind, script] of [
    ['GPT', GPT],
    ['MBR', MBR],
  ] as const) {
    test(`goes from sectors of 512 to 4096 bytes and back (${kind})`, async () => {
      const source = await partitioned(64, script);
      const large = emptyDisk(64, 4096);
      await move(source, large, {});
      const back = emptyDisk(64);
      await move(large, back, {});
      assert.deepEqual(await sfdiskTable(back.path), await sfdiskTable(source.path));
    });
  }

  test('is an MBR whose logical partitions have moved', async () => {
    const destination = emptyDisk(300);
    const moved = await move(await partitioned(64, MBR), destination, {
      1: [1, 30],
      2: [40, 250],
      5: [41, 60],
      6: [130, 150],
    });
    assert.deepEqual(comparableTable(moved), await sfdiskTable(destination.path));
  });

  test('takes the entries of a hybrid MBR along', async () => {
    const source = await partitioned(64, GPT);
    await run(['sgdisk', '--hybrid', '3', source.path]);
    const destination = emptyDisk(200);
    const table = await readPartitionTable(source);
    const partitions = table.partitions.map((partition): MovedPartition => {
      const start = partition.number === 3 ? 100 * MIB : partition.start;
      return { ...partition, start, was: partition };
    });
    const target = { bytes: destination.size, sectorBytes: 512 };
    for (const { start, data } of await movedTable(source, 'gpt', partitions, target)) {
      destination.damage(start, data);
    }
    const mbr = await destination.read(0, 512);
    const starts = [0, 1, 2, 3].map((index) => mbr.readUInt32LE(446 + index * 16 + 8));
    assert.ok(starts.includes((100 * MIB) / 512), starts.join(', '));
    assert.match((await readPartitionTable(destination)).warnings.join(), /hybrid MBR/);
  });

  test('is refused where an MBR cannot say the place', async () => {
    const source = await partitioned(64, MBR);
    const table = await readPartitionTable(source);
    const far = table.partitions.map((partition): MovedPartition => {
      return { ...partition, start: partition.start + 3 * 1024 * 1024 * MIB, was: partition };
    });
    const target = { bytes: 4 * 1024 * 1024 * MIB, sectorBytes: 512 };
    await assert.rejects(movedTable(source, 'mbr', far, target), PartitionTableError);
  });
});
