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
import { formatGuid, guidBytes } from './guid.ts';
import { BIOS_BOOT_TYPE, gptFromMbr } from './mbr-to-gpt.ts';
import { newGpt } from './new-gpt.ts';
import { type Partition, type PartitionTable, PartitionTableError } from './partition-table.ts';
import { readPartitionTable } from './read-partition-table.ts';

extendPath();
const missing = ['sfdisk', 'sgdisk'].filter((tool) => !hasTool(tool));
const skip = missing.length > 0 && `missing: ${missing.join(', ')}`;

const KIB = 1024;
const MIB = 1024 * KIB;
const LINUX = '0fc63daf-8483-4772-8e79-3d69d8477de4';

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

function mbr(partitions: readonly Partial<Partition>[]): PartitionTable {
  return {
    kind: 'mbr',
    id: '0x1234abcd',
    partitions: partitions.map((partition, index) => ({
      number: index + 1,
      start: (1 + index * 10) * MIB,
      size: 10 * MIB,
      type: '0x83',
      active: false,
      role: 'primary',
      ...partition,
    })),
    warnings: [],
    usedBackup: false,
    tableRegions: [{ start: 0, size: 512 }],
  };
}

const stays = (table: PartitionTable) =>
  table.partitions.map((partition) => ({
    ...partition,
    was: { start: partition.start, size: partition.size },
  }));

describe('a GPT made from an MBR', () => {
  test('has the partitions at their places with their numbers, logical ones too, without the extended one', () => {
    const table = gptFromMbr(
      mbr([
        { type: '0x07', active: true },
        { number: 2, type: '0x0f', role: 'extended', size: 30 * MIB },
        { number: 5, start: 12 * MIB, size: 5 * MIB, role: 'logical', type: '0x82' },
        { number: 6, start: 18 * MIB, size: 5 * MIB, role: 'logical', type: '0x8e' },
      ]),
      { biosBoot: false },
    );
    assert.equal(table.kind, 'gpt');
    assert.match(table.id, /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    assert.deepEqual(
      table.partitions.map(({ number, start, size, type, attributes, role }) => ({
        place: [number, start / MIB, size / MIB],
        type,
        attributes,
        role,
      })),
      [
        {
          place: [1, 1, 10],
          type: 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7',
          // Legacy BIOS bootable, as it was active.
          attributes: '0000000000000004',
          role: 'gpt',
        },
        {
          place: [5, 12, 5],
          type: '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f',
          attributes: '0000000000000000',
          role: 'gpt',
        },
        {
          place: [6, 18, 5],
          type: 'e6d6d379-f507-44c2-a23c-238f2a3df928',
          attributes: '0000000000000000',
          role: 'gpt',
        },
      ],
    );
    assert.equal(new Set([table.id, ...table.partitions.map(({ guid }) => guid)]).size, 4);
  });

  test('takes every type to the one that programs know, and unknown ones to Linux data', () => {
    const types: Record<string, string> = {
      '0xef': 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
      '0x27': 'de94bba4-06d1-4d40-a16a-bfd50179d6ac',
      '0xfd': 'a19d880f-05fc-4d3b-a006-743f0f84911e',
      '0xda': LINUX,
    };
    for (const [type, expected] of Object.entries(types)) {
      const [partition] = gptFromMbr(mbr([{ type }]), { biosBoot: false }).partitions;
      assert.equal(partition?.type, expected, type);
    }
  });

  test('hides what was hidden', () => {
    const [partition] = gptFromMbr(mbr([{ type: '0x17' }]), { biosBoot: false }).partitions;
    assert.equal(partition?.attributes, 'c000000000000000');
  });

  test('has a BIOS boot partition in the gap, behind the entries for sectors of either size', () => {
    const table = gptFromMbr(mbr([{}, {}]), { biosBoot: true });
    const found = table.partitions.find(({ type }) => type === BIOS_BOOT_TYPE);
    assert.deepEqual([found?.number, found?.start, found?.size], [3, 24 * KIB, MIB - 24 * KIB]);
  });

  test('has it in a gap further back where the first partition starts at sector 63', () => {
    const table = gptFromMbr(
      mbr([
        { start: 63 * 512, size: 20 * MIB - 63 * 512 },
        { start: 30 * MIB, size: 10 * MIB },
      ]),
      { biosBoot: true },
    );
    const found = table.partitions.find(({ type }) => type === BIOS_BOOT_TYPE);
    assert.deepEqual([found?.start, found?.size], [20 * MIB, MIB]);
  });

  test('has it behind the last partition where there is no gap', () => {
    const table = gptFromMbr(mbr([{ start: 63 * 512, size: 10 * MIB }]), { biosBoot: true });
    const found = table.partitions.find(({ type }) => type === BIOS_BOOT_TYPE);
    assert.deepEqual([found?.start, found?.size], [11 * MIB, MIB]);
  });

  test('refuses what is no MBR', () => {
    assert.throws(() => gptFromMbr({ ...mbr([]), kind: 'gpt' }, { biosBoot: false }), TypeError);
  });
});

describe('a GPT made from nothing', { skip }, () => {
  for (const sectorBytes of [512, 4096]) {
    test(`is what was asked for, also for sgdisk and sfdisk (sectors of ${sectorBytes} bytes)`, async () => {
      const source = emptyDisk(64);
      await run(['sfdisk', '-q', '--no-tell-kernel', source.path], {
        input: [
          'label: dos',
          'start=1MiB, size=10MiB, type=83, bootable',
          'start=11MiB, size=50MiB, type=f',
          'start=12MiB, size=10MiB, type=82',
          '',
        ].join('\n'),
      });
      const table = gptFromMbr(await readPartitionTable(source), { biosBoot: true });
      const named = {
        ...table,
        partitions: table.partitions.map((one) => (one.number === 1 ? { ...one, name: 'Fähre' } : one)),
      };
      const destination = emptyDisk(64, sectorBytes);
      const bootCode = Buffer.alloc(440, 0x90);
      const target = { bytes: destination.size, sectorBytes };
      for (const { start, data } of newGpt(named, stays(named), target, bootCode))
        destination.damage(start, data);
      const written = await readPartitionTable(destination);
      assert.deepEqual(written.warnings, []);
      assert.equal(written.id, table.id);
      assert.deepEqual(written.partitions, named.partitions);
      assert.deepEqual((await destination.read(0, 4096)).subarray(0, 440), bootCode);
      // Programs look at files in sectors of 512 bytes.
      if (sectorBytes !== 512) return;
      assert.deepEqual(comparableTable(written), await sfdiskTable(destination.path));
      const { stdout } = await run(['sgdisk', '--verify', destination.path]);
      assert.match(stdout, /No problems found/);
    });
  }

  test('is whole again from its backup', async () => {
    const table = gptFromMbr(mbr([{}]), { biosBoot: false });
    const disk = emptyDisk(32);
    for (const { start, data } of newGpt(
      table,
      stays(table),
      { bytes: disk.size, sectorBytes: 512 },
      Buffer.alloc(0),
    )) {
      disk.damage(start, data);
    }
    disk.damage(512, Buffer.alloc(512));
    const read = await readPartitionTable(disk);
    assert.ok(read.usedBackup);
    assert.deepEqual(read.partitions, table.partitions);
  });

  for (const [why, place] of [
    ['over the table', { start: 16 * KIB, size: MIB }],
    ['over the backup', { start: MIB, size: 31 * MIB }],
    ['not in whole sectors', { start: MIB, size: 1000 }],
  ] as const) {
    test(`is refused with a partition ${why}`, () => {
      const table = gptFromMbr(mbr([place]), { biosBoot: false });
      const target = { bytes: 32 * MIB, sectorBytes: 512 };
      assert.throws(() => newGpt(table, stays(table), target, Buffer.alloc(440)), PartitionTableError);
    });
  }

  test('reads GUIDs back as they were written', () => {
    assert.equal(formatGuid(guidBytes(LINUX), 0), LINUX);
    assert.throws(() => guidBytes('0x1234'), TypeError);
  });
});
