import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { extendPath, hasTool } from '@diskferry/system/tools';
import { type FileDisk, fileDisk } from '../testing/file-disk.ts';
import { comparableTable, sfdiskTable } from '../testing/sfdisk.ts';
import { repairPrimaryGpt } from './gpt.ts';
import { PartitionTableError } from './partition-table.ts';
import { readPartitionTable } from './read-partition-table.ts';

extendPath();
const missing = ['sfdisk', 'sgdisk', 'mkfs.fat', 'mkfs.ext4'].filter((tool) => !hasTool(tool));
const skip = missing.length > 0 && `missing: ${missing.join(', ')}`;

const SECTOR = 512;
const DISK_BYTES = 64 * 1024 * 1024;
const LAST_LBA = DISK_BYTES / SECTOR - 1;

let folder: string;
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-test-'));
});
after(() => rm(folder, { recursive: true }));

function emptyDisk(size = DISK_BYTES): FileDisk {
  const path = join(folder, `${count++}.img`);
  writeFileSync(path, '');
  truncateSync(path, size);
  return fileDisk(path);
}

/** Each script runs only once. Without the option, sfdisk syncs all file systems of this machine, one of which may take minutes. */
const templates = new Map<string, FileDisk>();

async function partitioned(script: string): Promise<FileDisk> {
  const template = templates.get(script) ?? emptyDisk();
  if (!templates.has(script))
    await run(['sfdisk', '-q', '--no-tell-kernel', template.path], { input: script });
  templates.set(script, template);
  const path = join(folder, `${count++}.img`);
  await run(['cp', '--sparse=always', template.path, path]);
  return fileDisk(path);
}

const GPT_SCRIPT = [
  'label: gpt',
  'label-id: 9F3A6E1C-0C1B-4B0F-8A4E-1D2C3B4A5F60',
  'size=1MiB, type=21686148-6449-6E6F-744E-656564454649, name="BIOS boot"',
  'size=20MiB, type=C12A7328-F81F-11D2-BA4B-00C04FC93EC9, name="EFI Süd", attrs="RequiredPartition LegacyBIOSBootable"',
  'size=10MiB, type=L, uuid=11223344-5566-7788-99AA-BBCCDDEEFF00',
  '',
].join('\n');

const MBR_SCRIPT = [
  'label: dos',
  'label-id: 0x1234abcd',
  '2048,20480,83,*',
  ',20480,82',
  ',,5',
  ',10240,83',
  ',10240,8e,*',
  ',4096,7',
  '',
].join('\n');

describe('a table made by sfdisk or sgdisk reads as sfdisk reads it', { skip }, () => {
  test('GPT', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    const table = await readPartitionTable(disk);
    assert.deepEqual(comparableTable(table), await sfdiskTable(disk.path));
    assert.deepEqual([table.usedBackup, table.warnings], [false, []]);
    assert.deepEqual(
      table.partitions.map(({ attributes, role }) => [attributes, role]),
      [
        ['0000000000000000', 'gpt'],
        ['0000000000000005', 'gpt'],
        ['0000000000000000', 'gpt'],
      ],
    );
    assert.deepEqual(table.tableRegions, [
      { start: 0, size: SECTOR },
      { start: SECTOR, size: SECTOR },
      { start: 2 * SECTOR, size: 32 * SECTOR },
      { start: (LAST_LBA - 32) * SECTOR, size: 32 * SECTOR },
      { start: LAST_LBA * SECTOR, size: SECTOR },
    ]);
  });

  test('GPT with unused entries between', async () => {
    const disk = emptyDisk();
    await run(['sgdisk', '-n', '7:2048:+1M', '-n', '3:0:+2M', '-c', '3:third', '-A', '3:set:63', disk.path]);
    const table = await readPartitionTable(disk);
    assert.deepEqual(comparableTable(table), await sfdiskTable(disk.path));
    assert.deepEqual(
      table.partitions.map(({ number, attributes }) => [number, attributes]),
      [
        [3, '8000000000000000'],
        [7, '0000000000000000'],
      ],
    );
  });

  test('GPT with 256 entries', async () => {
    const disk = emptyDisk();
    await run(['sgdisk', '-S', '256', '-n', '200:4096:+1M', disk.path]);
    assert.deepEqual(comparableTable(await readPartitionTable(disk)), await sfdiskTable(disk.path));
  });

  test('GPT without partitions', async () => {
    const disk = await partitioned('label: gpt\n');
    assert.deepEqual(comparableTable(await readPartitionTable(disk)), await sfdiskTable(disk.path));
  });

  test('MBR with logical partitions', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    const table = await readPartitionTable(disk);
    assert.deepEqual(comparableTable(table), await sfdiskTable(disk.path));
    assert.deepEqual(
      table.partitions.map(({ number, role }) => [number, role]),
      [
        [1, 'primary'],
        [2, 'primary'],
        [3, 'extended'],
        [5, 'logical'],
        [6, 'logical'],
        [7, 'logical'],
      ],
    );
    assert.equal(table.tableRegions.length, 4);
    assert.ok(table.tableRegions.every(({ size }) => size === SECTOR));
  });

  test('MBR with entry 2 unused', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    await run(['sfdisk', '-q', '--no-tell-kernel', '--delete', disk.path, '2']);
    assert.deepEqual(comparableTable(await readPartitionTable(disk)), await sfdiskTable(disk.path));
  });

  test('MBR without partitions', async () => {
    const disk = await partitioned('label: dos\n');
    assert.deepEqual(comparableTable(await readPartitionTable(disk)), await sfdiskTable(disk.path));
  });
});

describe('a disk without a partition table', { skip }, () => {
  test('an empty disk', async () => {
    const table = await readPartitionTable(emptyDisk());
    assert.deepEqual([table.kind, table.warnings, table.tableRegions], ['none', [], []]);
  });

  test('a disk that is smaller than any table', async () => {
    assert.equal((await readPartitionTable(emptyDisk(512))).kind, 'none');
  });

  for (const bits of ['12', '16', '32']) {
    test(`a whole-disk FAT${bits}`, async () => {
      const disk = emptyDisk(bits === '12' ? 8 * 1024 * 1024 : DISK_BYTES);
      await run(['mkfs.fat', '-F', bits, disk.path]);
      assert.deepEqual((await readPartitionTable(disk)).kind, 'none');
    });
  }

  test('a whole-disk FAT that pretends to have an MBR', async () => {
    const disk = emptyDisk();
    await run(['mkfs.fat', '-F', '32', '--mbr=y', disk.path]);
    assert.deepEqual((await readPartitionTable(disk)).kind, 'none');
  });

  test('a whole-disk NTFS, whose boot sector has code in place of entries', async () => {
    const disk = emptyDisk();
    disk.damage(3, Buffer.from('NTFS    '));
    disk.damage(440, Buffer.alloc(70, 0xeb));
    disk.damage(510, Buffer.of(0x55, 0xaa));
    assert.deepEqual((await readPartitionTable(disk)).kind, 'none');
  });

  test('a whole-disk ext4 with a boot loader in its first sector', async () => {
    const disk = emptyDisk();
    await run(['mkfs.ext4', '-q', '-F', disk.path]);
    disk.damage(510, Buffer.of(0x55, 0xaa));
    assert.deepEqual((await readPartitionTable(disk)).kind, 'none');
  });

  test('an unknown boot sector is named in a warning', async () => {
    const disk = emptyDisk();
    disk.damage(440, Buffer.alloc(70, 0xeb));
    disk.damage(510, Buffer.of(0x55, 0xaa));
    const table = await readPartitionTable(disk);
    assert.equal(table.kind, 'none');
    assert.match(table.warnings.join(), /sector 0 ends with a boot signature/);
  });
});

describe('a damaged GPT', { skip }, () => {
  /** Each turns the primary table useless in another way. */
  const DAMAGES: readonly { name: string; offset: number; why: RegExp }[] = [
    { name: 'signature', offset: SECTOR, why: /signature is missing/ },
    { name: 'header size', offset: SECTOR + 14, why: /bytes long/ },
    { name: 'header checksum', offset: SECTOR + 16, why: /its checksum does not match/ },
    { name: 'disk GUID', offset: SECTOR + 60, why: /its checksum does not match/ },
    { name: 'entries', offset: 2 * SECTOR + 40, why: /checksum of its entries/ },
    { name: 'last entry', offset: 34 * SECTOR - 1, why: /checksum of its entries/ },
  ];

  for (const { name, offset, why } of DAMAGES) {
    test(`with a wrong ${name} in the primary table is read from its backup and said`, async () => {
      const disk = await partitioned(GPT_SCRIPT);
      const sound = await readPartitionTable(disk);
      disk.flip(offset);
      const table = await readPartitionTable(disk);
      assert.equal(table.usedBackup, true);
      assert.match(table.warnings.join(), why);
      assert.match(table.warnings.join(), /its backup at the end of the disk is used/);
      assert.deepEqual(comparableTable(table), comparableTable(sound));
    });
  }

  test('whose start is overwritten is made whole again, byte for byte', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    const sound = await disk.read(0, 34 * SECTOR);
    disk.damage(SECTOR, Buffer.alloc(33 * SECTOR));
    for (const { start, data } of await repairPrimaryGpt(disk)) disk.damage(start, data);
    assert.deepEqual(await disk.read(0, 34 * SECTOR), sound);
    await run(['sgdisk', '--verify', disk.path]);
    assert.deepEqual((await readPartitionTable(disk)).warnings, []);
  });

  test('that lost its protective MBR too gets one, with the boot code kept', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    disk.damage(0, Buffer.alloc(34 * SECTOR));
    disk.damage(0, Buffer.from('boot code'));
    for (const { start, data } of await repairPrimaryGpt(disk)) disk.damage(start, data);
    assert.equal((await disk.read(0, SECTOR)).toString('latin1', 0, 9), 'boot code');
    const table = await readPartitionTable(disk);
    assert.deepEqual(comparableTable(table), await sfdiskTable(disk.path));
  });

  test('that is sound needs no repair', async () => {
    assert.deepEqual(await repairPrimaryGpt(await partitioned(GPT_SCRIPT)), []);
  });

  test('in both places is refused with both reasons', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    disk.damage(SECTOR, Buffer.of(0));
    disk.flip(LAST_LBA * SECTOR + 60);
    await assert.rejects(readPartitionTable(disk), (error: unknown) => {
      assert.ok(error instanceof PartitionTableError);
      assert.match(
        error.message,
        /primary one, its signature is missing.*backup.*its checksum does not match/,
      );
      return true;
    });
    await assert.rejects(repairPrimaryGpt(disk), PartitionTableError);
  });

  test('in its backup is read from the primary one, with a warning', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    disk.damage(LAST_LBA * SECTOR, Buffer.of(0));
    const table = await readPartitionTable(disk);
    assert.equal(table.usedBackup, false);
    assert.match(table.warnings.join(), /the backup GPT is damaged/);
    assert.equal(table.tableRegions.length, 3);
  });

  test('whose disk was enlarged keeps its backup where it is, with a warning', async () => {
    const small = await partitioned(GPT_SCRIPT);
    truncateSync(small.path, 2 * DISK_BYTES);
    const table = await readPartitionTable(fileDisk(small.path));
    assert.match(table.warnings.join(), /not at the end of the disk/);
    assert.equal(table.tableRegions.at(-1)?.start, LAST_LBA * SECTOR);
  });

  test('whose disk was cut off is refused when a partition is lost', async () => {
    const disk = await partitioned('label: gpt\nsize=60MiB\n');
    truncateSync(disk.path, DISK_BYTES / 2);
    await assert.rejects(readPartitionTable(fileDisk(disk.path)), /partition 1 .* lies outside/);
  });

  test('without its protective MBR is still read, with a warning', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    disk.damage(0, Buffer.alloc(SECTOR));
    const table = await readPartitionTable(disk);
    assert.equal(table.kind, 'gpt');
    assert.match(table.warnings.join(), /protective MBR in sector 0 is missing/);
  });

  test('of which only the backup is left is not used by itself, but named', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    disk.damage(0, Buffer.alloc(1024 * 1024));
    const table = await readPartitionTable(disk);
    assert.equal(table.kind, 'none');
    assert.match(table.warnings.join(), /a sound backup GPT/);
  });

  test('read with the wrong sector size says so', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    await assert.rejects(readPartitionTable(fileDisk(disk.path, 4096)), /table for sectors of 512 bytes/);
  });

  test('beside partitions of the MBR (hybrid) is used, with a warning', async () => {
    const disk = await partitioned(GPT_SCRIPT);
    await run(['sgdisk', '--hybrid', '2', disk.path]);
    const table = await readPartitionTable(disk);
    assert.deepEqual([table.kind, table.partitions.length], ['gpt', 3]);
    assert.match(table.warnings.join(), /hybrid/);
  });
});

describe('a damaged MBR', { skip }, () => {
  const ENTRY = 446;
  const START = 8;
  const SECTORS = 12;

  function u32(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  }

  /** Where the boot record of the second logical partition is, in bytes. */
  async function secondRecord(disk: FileDisk): Promise<number> {
    const regions = (await readPartitionTable(disk)).tableRegions;
    return regions[2]?.start ?? assert.fail('there is no second record');
  }

  test('with a partition beyond the end of the disk is refused', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    disk.damage(ENTRY + SECTORS, u32(LAST_LBA * 2));
    await assert.rejects(readPartitionTable(disk), /partition 1 .* lies outside the disk/);
  });

  test('with overlapping partitions is refused, naming both', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    disk.damage(ENTRY + 16 + START, u32(2048));
    await assert.rejects(readPartitionTable(disk), /partitions 1 and 2 overlap/);
  });

  test('whose logical partitions form a circle is refused', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    disk.damage((await secondRecord(disk)) + ENTRY + 16 + START, u32(0));
    await assert.rejects(readPartitionTable(disk), /partition 3 returns to byte/);
  });

  test('whose chain leaves the extended partition is refused', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    disk.damage((await secondRecord(disk)) + ENTRY + 16 + START, u32(LAST_LBA));
    await assert.rejects(readPartitionTable(disk), /partition 3 leads to byte \d+, outside of it/);
  });

  test('whose chain breaks off is refused', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    disk.damage((await secondRecord(disk)) + 510, Buffer.of(0));
    await assert.rejects(readPartitionTable(disk), /breaks off/);
  });

  test('with a logical partition larger than its container is refused', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    disk.damage((await secondRecord(disk)) + ENTRY + SECTORS, u32(LAST_LBA));
    await assert.rejects(readPartitionTable(disk), /logical partition 6 .* outside the extended partition 3/);
  });

  test('with overlapping logical partitions is refused', async () => {
    const disk = await partitioned(MBR_SCRIPT);
    disk.damage((await secondRecord(disk)) + ENTRY + SECTORS, u32(20480));
    await assert.rejects(readPartitionTable(disk), /partitions 6 and 7 overlap/);
  });

  test('with an extended partition that was never filled has no logical ones', async () => {
    const disk = await partitioned('label: dos\n,,5\n');
    const [extended] = (await readPartitionTable(disk)).partitions;
    disk.damage(extended?.start ?? 0, Buffer.alloc(SECTOR));
    const table = await readPartitionTable(disk);
    assert.equal(table.partitions.length, 1);
    assert.match(table.warnings.join(), /extended partition 1 is empty/);
  });
});
