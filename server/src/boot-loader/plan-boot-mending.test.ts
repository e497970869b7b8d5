import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BootFacts, BootMending } from './boot-mending.ts';
import { planBootMending } from './plan-boot-mending.ts';
import { grubBootSector, grubCore, legacyBootSector } from './testing/grub-images.ts';
import { factsOf, type MemoryDisk, memoryDisk, partition } from './testing/memory-disk.ts';

const MIB = 1024 * 1024;
const SECTORS_PER_MIB = MIB / 512;
const BIOS_BOOT = '21686148-6449-6e6f-744e-656564454649';
/** What Windows and other systems write in front of the table: code that starts the active partition. */
const GENERIC_CODE = Buffer.alloc(440, 0x33);

/** Runs all steps against a disk. */
async function mend({ steps }: BootMending, disk: MemoryDisk): Promise<void> {
  for (const step of steps) {
    await step.run(
      disk,
      async () => {
        throw new Error('no device is needed');
      },
      { session: undefined as never, warn: () => {} },
    );
  }
}

function withGrub(place: number, sectors = 60): MemoryDisk {
  const disk = memoryDisk(32);
  grubBootSector(place).copy(disk.bytes);
  grubCore(sectors, [[place + 1, sectors - 1]]).copy(disk.bytes, place * 512);
  return disk;
}

/** A boot record at the start of a partition, with these words in it. */
function withRecord(words: Buffer | string): MemoryDisk {
  const disk = memoryDisk(32);
  GENERIC_CODE.copy(disk.bytes);
  disk.bytes.set(Buffer.from(words as string), MIB + 3);
  disk.bytes.writeUInt16LE(0xaa55, MIB + 510);
  return disk;
}

describe('GRUB in the gap behind the MBR', () => {
  test('is left as it is, however the partitions behind it change', async () => {
    const found = await planBootMending(
      factsOf(withGrub(1), [partition(1, { was: 1, active: true }), partition(2, { was: 9, start: 20 })]),
    );
    assert.deepEqual(found, {
      loader: 'GRUB in front of the first partition (BIOS)',
      firmware: 'bios',
      obstacles: [],
      notes: [],
      steps: [],
      changedFiles: [],
    } satisfies BootMending);
  });

  test('cannot be started from sectors of 4096 bytes', async () => {
    const destination = { bytes: 32 * MIB, sectorBytes: 4096 };
    const { obstacles, firmware } = await planBootMending(
      factsOf(withGrub(1), [partition(1, { was: 1 })], { destination }),
    );
    assert.equal(firmware, 'none');
    assert.deepEqual(obstacles, [
      'a BIOS cannot start from a disk with sectors of 4096 bytes, only from one with 512',
    ]);
  });

  test('must not be overwritten by a partition that has moved to the front', async () => {
    const disk = withGrub(1, 60);
    const { obstacles } = await planBootMending(
      factsOf(disk, [{ ...partition(1, { was: 1 }), start: 32 * 512 }]),
    );
    assert.match(obstacles.join(), /up to byte 31232, but partition 1 starts at byte 16384/);
  });

  test('whose core is gone does not start, and that is said', async () => {
    const disk = withGrub(1);
    disk.bytes.fill(0, 512, 1024);
    const { notes, firmware } = await planBootMending(factsOf(disk, [partition(1, { was: 1 })]));
    assert.equal(firmware, 'bios');
    assert.match(notes.join(), /names sector 1, where no core of GRUB is.*grub-install/);
  });

  test('cannot go to a GPT when its folder is in no file system that can be read', async () => {
    const facts: Partial<BootFacts> = {
      destinationKind: 'gpt',
      biosBoot: { start: 24_576, size: MIB - 24_576 },
    };
    const { obstacles } = await planBootMending(factsOf(withGrub(1), [partition(1, { was: 1 })], facts));
    assert.match(obstacles.join(), /GRUB's folder .* was not found/);
  });

  test('of GRUB Legacy cannot go to a GPT at all', async () => {
    const disk = memoryDisk(32);
    legacyBootSector().copy(disk.bytes);
    const partitions = [partition(1, { was: 1 })];
    const converted = await planBootMending(factsOf(disk, partitions, { destinationKind: 'gpt' }));
    assert.match(converted.obstacles.join(), /GRUB Legacy cannot start from a GPT/);
    const kept = await planBootMending(factsOf(disk, partitions));
    assert.deepEqual(kept.obstacles, []);
    assert.match(kept.notes.join(), /GRUB Legacy/);
  });
});

describe('GRUB in a BIOS boot partition', () => {
  const gpt = (source: MemoryDisk, start: number, blocks = {}) => {
    const partitions = [
      partition(1, { was: 1, size: 1, start, type: BIOS_BOOT, ...blocks }),
      partition(2, { was: 2, start: start + 1 }),
    ];
    return factsOf(source, partitions, {
      table: { kind: 'gpt', id: '', partitions, warnings: [], usedBackup: false, tableRegions: [] },
    });
  };

  test('is found where the partition has moved', async () => {
    const source = withGrub(SECTORS_PER_MIB);
    const destination = memoryDisk(32);
    source.bytes.copy(destination.bytes, 0, 0, 512);
    source.bytes.copy(destination.bytes, 5 * MIB, MIB, 2 * MIB);
    const plan = await planBootMending(gpt(source, 5));
    assert.equal(plan.loader, 'GRUB in partition 1 (BIOS)');
    await mend(plan, destination);
    const expected = withGrub(5 * SECTORS_PER_MIB);
    assert.ok(destination.bytes.equals(expected.bytes));
  });

  test('needs nothing where the partition stays', async () => {
    assert.deepEqual((await planBootMending(gpt(withGrub(SECTORS_PER_MIB), 1))).steps, []);
  });
});

describe('GRUB in a boot sector of a partition', () => {
  /** In the first 64 KiB of a Btrfs, which no file is in. */
  const chained = (): MemoryDisk => {
    const disk = memoryDisk(32);
    GENERIC_CODE.copy(disk.bytes);
    const boot = grubBootSector(SECTORS_PER_MIB + 2);
    boot.writeUInt16LE(0xaa55, 510);
    boot.copy(disk.bytes, MIB);
    grubCore(60, [[SECTORS_PER_MIB + 3, 59]]).copy(disk.bytes, MIB + 1024);
    return disk;
  };

  test('is started by other code, and follows its partition', async () => {
    const source = chained();
    const partitions = [partition(1, { was: 1, start: 3, fileSystem: 'btrfs', active: true })];
    const destination = memoryDisk(32);
    source.bytes.copy(destination.bytes, 3 * MIB, MIB, 2 * MIB);
    const plan = await planBootMending(factsOf(source, partitions));
    await mend(plan, destination);
    assert.equal(destination.bytes.readBigUInt64LE(3 * MIB + 0x5c), BigInt(3 * SECTORS_PER_MIB + 2));
    assert.equal(destination.bytes.readBigUInt64LE(3 * MIB + 1024 + 500), BigInt(3 * SECTORS_PER_MIB + 3));
    assert.ok(destination.bytes.subarray(0, 512).every((byte) => byte === 0));
  });

  test('is not looked at where no partition is active', async () => {
    const plan = await planBootMending(factsOf(chained(), [partition(1, { was: 1 })]));
    assert.deepEqual([plan.firmware, plan.loader], ['none', 'none']);
  });
});

describe('boot code of others', () => {
  const active = (more = {}) => [partition(1, { was: 1, active: true, ...more })];

  test('is named with what must be done', async () => {
    const plan = await planBootMending(factsOf(withRecord('EXTLINUX'), active({ start: 2 })));
    assert.equal(plan.loader, 'SYSLINUX (BIOS)');
    assert.match(plan.notes.join(), /extlinux --install/);
  });

  test('that remembers blocks starts where these stay', async () => {
    const plan = await planBootMending(factsOf(withRecord('EXTLINUX'), active()));
    assert.deepEqual([plan.loader, plan.notes], ['SYSLINUX (BIOS)', []]);
    const files = await planBootMending(factsOf(withRecord('EXTLINUX'), active({ how: 'recreated' })));
    assert.equal(files.notes.length, 1);
  });

  test('of LILO is known in the MBR', async () => {
    const disk = memoryDisk(32);
    disk.bytes.write('LILO', 6, 'latin1');
    const { loader, notes } = await planBootMending(factsOf(disk, [partition(1, { was: 1 })]));
    assert.equal(loader, 'LILO (BIOS)');
    assert.match(notes.join(), /"lilo" is run/);
  });

  test('of Windows cannot start from a GPT', async () => {
    const plan = await planBootMending(factsOf(withRecord('BOOTMGR'), active(), { destinationKind: 'gpt' }));
    assert.match(plan.obstacles.join(), /Windows starts from a GPT under UEFI only; run its program mbr2gpt/);
    const kept = await planBootMending(factsOf(withRecord('BOOTMGR'), active()));
    assert.deepEqual(kept, {
      loader: 'Windows Boot Manager (BIOS)',
      firmware: 'bios',
      obstacles: [],
      notes: [],
      steps: [],
      changedFiles: [],
    } satisfies BootMending);
  });

  test('is told the new place of its FAT', async () => {
    const source = withRecord('MSDOS5.0');
    source.bytes.writeUInt32LE(SECTORS_PER_MIB, MIB + 28);
    const destination = memoryDisk(32);
    source.bytes.copy(destination.bytes, 4 * MIB, MIB, 2 * MIB);
    const plan = await planBootMending(factsOf(source, active({ start: 4, fileSystem: 'vfat' })));
    await mend(plan, destination);
    const expected = Buffer.from(source.bytes.subarray(MIB, 2 * MIB));
    expected.writeUInt32LE(4 * SECTORS_PER_MIB, 28);
    assert.ok(destination.bytes.subarray(4 * MIB, 5 * MIB).equals(expected));
    // What a driver has written there already is right.
    destination.bytes.writeUInt32LE(77, 4 * MIB + 28);
    await mend(plan, destination);
    assert.equal(destination.bytes.readUInt32LE(4 * MIB + 28), 77);
  });

  test('in front of a disk without an active partition starts nothing', async () => {
    const disk = memoryDisk(32);
    GENERIC_CODE.copy(disk.bytes);
    const destination = { bytes: 32 * MIB, sectorBytes: 4096 };
    const plan = await planBootMending(factsOf(disk, [partition(1, { was: 1 })], { destination }));
    assert.deepEqual([plan.firmware, plan.loader, plan.obstacles], ['none', 'none', []]);
  });
});

test('a disk without boot code is fine', async () => {
  const plan = await planBootMending(factsOf(memoryDisk(8), [partition(1, { was: 1 })]));
  assert.deepEqual(plan, {
    loader: 'none',
    firmware: 'none',
    obstacles: [],
    notes: [],
    steps: [],
    changedFiles: [],
  } satisfies BootMending);
});
