import assert from 'node:assert/strict';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { gptFromMbr } from '@diskferry/server-adapter/partitions/mbr-to-gpt';
import { newGpt } from '@diskferry/server-adapter/partitions/new-gpt';
import { readPartitionTable } from '@diskferry/server-adapter/partitions/read-partition-table';
import { run } from '@diskferry/system/run';
import { extendPath, hasTool } from '@diskferry/system/tools';
import { differingSettings, readSuperblock } from '../file-systems/ext-superblock.ts';
import type { FileSystem } from '../file-systems/file-system.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import type { BootFacts, BootPartition } from './boot-mending.ts';
import { readBlockList, readGrubBootSector } from './grub-images.ts';
import { planBootMending } from './plan-boot-mending.ts';
import { type DiskFile, diskFile, mend } from './testing/disk-file.ts';

extendPath();
const MODULES = '/usr/lib/grub/i386-pc';
const missing = ['sfdisk', 'mke2fs', 'mkfs.fat', 'mcopy', 'mkntfs', 'grub-mkimage'].filter(
  (tool) => !hasTool(tool),
);
const skip = process.getuid?.() === 0 ? missing.length > 0 && `missing: ${missing.join(', ')}` : 'needs root';

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;
const SIGNATURE = '1234abcd';
const MBR = [
  'label: dos',
  `label-id: 0x${SIGNATURE}`,
  'start=1MiB, size=50MiB, type=83, bootable',
  'start=51MiB, size=13MiB, type=f',
  'start=52MiB, size=8MiB, type=82',
  '',
].join('\n');
const MENU = [
  "set root='hd0,msdos1'",
  `search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 --hint-baremetal=ahci0,msdos1 1111-2222`,
  `linux /vmlinuz root=PARTUUID=${SIGNATURE}-01 ro resume=/dev/sda5`,
  '',
].join('\n');
const TABLE = [
  '# /dev/sdz1 was the old disk',
  'UUID=5e1f0b10-0000-4000-8000-00000000b105 / ext4 defaults 0 1',
  `PARTUUID=${SIGNATURE}-05 none swap sw 0 0`,
  '/dev/sda1 /old ext4 noauto 0 0',
  '',
].join('\n');

interface Source {
  readonly bench: Workbench;
  readonly disk: DiskFile;
  readonly core: Buffer;
  readonly facts: BootFacts;
}

interface SourceOptions {
  /** Fills the root file system beyond a menu and a table of file systems. */
  readonly fill?: (root: string) => Promise<void>;
  /** Also puts what GRUB is made from into the system. */
  readonly hasModules?: boolean;
}

/** A disk with an MBR, a small system on ext4, and GRUB in the gap, as grub-install leaves it. */
async function biosSource(context: TestContext, options: SourceOptions = {}): Promise<Source> {
  const bench = openWorkbench(context);
  const disk = diskFile(bench, bench.file('source', DISK_BYTES));
  await run(['sfdisk', '-q', '--no-tell-kernel', disk.path], { input: MBR });
  const table = await readPartitionTable(disk);
  const device = await disk.attachPartition({ start: MIB, size: 50 * MIB });
  await run(['mke2fs', '-q', '-t', 'ext4', device]);
  const root = await bench.mount(device);
  const folder = join(root, 'boot/grub/i386-pc');
  await mkdir(folder, { recursive: true });
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'etc/fstab'), TABLE, { mode: 0o640 });
  await writeFile(join(root, 'boot/grub/grub.cfg'), MENU);
  await cp(join(MODULES, 'normal.mod'), join(folder, 'normal.mod'));
  if (options.hasModules === true) await cp(MODULES, join(root, MODULES), { recursive: true });
  const core = await makeCore(bench, '(,msdos1)/boot/grub', 'part_msdos', 'ext2');
  await writeFile(join(folder, 'core.img'), core);
  await options.fill?.(root);
  await bench.unmount(root);
  await disk.write(0, (await readFile(join(MODULES, 'boot.img'))).subarray(0, 440));
  await disk.write(512, core);
  return { bench, disk, core, facts: factsOf(bench, disk, table) };
}

function factsOf(bench: Workbench, source: DiskFile, table: BootFacts['table']): BootFacts {
  return {
    source,
    table,
    destinationKind: table.kind,
    destination: { bytes: source.size, sectorBytes: 512 },
    partitions: partitionsOf(table),
    session: bench.session,
  };
}

/** The first one holds files. */
function partitionsOf(table: BootFacts['table'], type = 'ext4'): BootPartition[] {
  return table.partitions
    .filter(({ role }) => role !== 'extended')
    .map((partition) => ({
      ...partition,
      was: { start: partition.start, size: partition.size },
      fileSystem: (partition.number === 1
        ? { type, how: 'files' }
        : { type: 'swap', how: 'recreated' }) as FileSystem,
    }));
}

async function makeCore(bench: Workbench, prefix: string, ...modules: string[]): Promise<Buffer> {
  const output = join(bench.folder, `core-${modules.join('-')}.img`);
  const command = ['grub-mkimage', '-d', MODULES, '-O', 'i386-pc', '-o', output, '-p', prefix] as const;
  await run([...command, 'biosdisk', ...modules]);
  return readFile(output);
}

/** The same source that becomes a GPT, and a destination that has its contents and its table. */
async function converted({
  bench,
  disk,
  facts,
}: Source): Promise<{ facts: BootFacts; destination: DiskFile }> {
  const table = gptFromMbr(facts.table, { biosBoot: true });
  const biosBoot = table.partitions.find(({ name }) => name === 'BIOS boot');
  assert.ok(biosBoot !== undefined);
  const partitions = partitionsOf(table).filter(({ number }) => number !== biosBoot.number);
  const destination = diskFile(bench, bench.file('destination', DISK_BYTES + MIB));
  const root = { start: MIB, size: 50 * MIB };
  await destination.write(root.start, await disk.read(root.start, root.size));
  const all = table.partitions.map((partition) => ({ ...partition, was: partition }));
  const target = { bytes: destination.size, sectorBytes: 512 };
  for (const { start, data } of newGpt(table, all, target, await disk.read(0, 440))) {
    await destination.write(start, data);
  }
  return { facts: { ...facts, destinationKind: 'gpt', partitions, biosBoot }, destination };
}

/** Reads a core as the firmware would: from the place in the boot sector, then by the block list. */
async function followBlockList(disk: DiskFile, bootSector: number): Promise<Buffer> {
  const found = readGrubBootSector(await disk.read(bootSector, 512));
  assert.ok(found?.kind === 'grub');
  const first = await disk.read(found.coreLba * 512, 512);
  const pieces = [first];
  for (const { lba, sectors } of readBlockList(first) ?? []) {
    pieces.push(await disk.read(lba * 512, sectors * 512));
  }
  return Buffer.concat(pieces);
}

async function textOf(bench: Workbench, disk: DiskFile, path: string): Promise<string> {
  const root = await bench.mount(await disk.attachPartition({ start: MIB, size: 50 * MIB }));
  const text = await readFile(join(root, path), 'utf8');
  await bench.unmount(root);
  return text;
}

describe('GRUB of a BIOS', { skip }, () => {
  test('needs nothing in its gap; names of devices are told', async (context) => {
    const { facts } = await biosSource(context);
    const plan = await planBootMending(facts);
    assert.equal(plan.loader, 'GRUB in front of the first partition (BIOS)');
    assert.deepEqual([plan.firmware, plan.obstacles, plan.steps], ['bios', [], []]);
    assert.deepEqual(plan.notes, [
      '/etc/fstab names /dev/sda1: on another computer that may be another disk; use UUID= instead',
      '/boot/grub/grub.cfg names /dev/sda5: on another computer that may be another disk; use UUID= instead',
    ]);
  });

  test('gets a core for the GPT in the BIOS boot partition, and the names of partitions in texts follow', async (context) => {
    const source = await biosSource(context, { hasModules: true });
    const { bench } = source;
    const { facts, destination } = await converted(source);
    const plan = await planBootMending(facts);
    assert.equal(plan.loader, 'GRUB in a BIOS boot partition (BIOS)');
    assert.deepEqual(plan.obstacles, []);
    assert.deepEqual(plan.changedFiles, [
      { partition: 1, path: '/etc/fstab' },
      { partition: 1, path: '/boot/grub/grub.cfg' },
    ]);
    const behindCode = await destination.read(440, 1024 - 440);
    const volume = await destination.attachPartition({ start: MIB, size: 50 * MIB });
    const superblock = await readSuperblock(volume);
    assert.deepEqual(await mend(plan, facts, destination), []);

    assert.deepEqual(await destination.read(440, 1024 - 440), behindCode);
    const code = await destination.read(0, 440);
    const expectedCode = (await readFile(join(MODULES, 'boot.img'))).subarray(0, 440);
    expectedCode.writeBigUInt64LE(48n, 0x5c);
    expectedCode.set([0x90, 0x90], 0x66);
    assert.deepEqual(code, expectedCode);
    const core = await followBlockList(destination, 0);
    const wanted = await makeCore(bench, '(,gpt1)/boot/grub', 'part_gpt', 'part_msdos', 'ext2');
    assert.equal(core.length, Math.ceil(wanted.length / 512) * 512);
    assert.ok(core.subarray(512, wanted.length).equals(wanted.subarray(512)));

    const mended = await destination.attachPartition({ start: MIB, size: 50 * MIB });
    assert.deepEqual(differingSettings(superblock, await readSuperblock(mended)), []);
    await run(['e2fsck', '-f', '-n', mended]);

    const [root, swap] = facts.partitions;
    assert.equal(
      await textOf(bench, destination, 'boot/grub/grub.cfg'),
      MENU.replaceAll('msdos1', 'gpt1').replace(`${SIGNATURE}-01`, root?.guid ?? ''),
    );
    const table = await textOf(bench, destination, 'etc/fstab');
    assert.equal(table, TABLE.replace(`${SIGNATURE}-05`, swap?.guid ?? ''));
    // The source has what it had.
    assert.equal(await textOf(bench, source.disk, 'etc/fstab'), TABLE);
  });

  test('of this server is installed where the system lacks its own, with its modules', async (context) => {
    const source = await biosSource(context, {
      fill: async (root) => {
        const folder = join(root, 'boot/grub/i386-pc');
        await writeFile(join(folder, 'normal.mod'), 'of another version');
        // A stranger's link must not lead the copy to a file of this server.
        await symlink(join(root, '../victim'), join(folder, 'ext2.mod'));
      },
    });
    const { bench } = source;
    await writeFile(join(bench.folder, 'victim'), 'safe');
    const { facts, destination } = await converted(source);
    const plan = await planBootMending(facts);
    assert.match(plan.notes.join('\n'), /GRUB of this server \(\/usr\/lib\/grub\/i386-pc\) is installed/);
    assert.deepEqual(plan.changedFiles[0], { partition: 1, path: '/boot/grub/i386-pc' });
    await mend(plan, facts, destination);
    const root = await bench.mount(await destination.attachPartition({ start: MIB, size: 50 * MIB }));
    for (const name of ['normal.mod', 'ext2.mod', 'part_gpt.mod', 'moddep.lst']) {
      const installed = await readFile(join(root, 'boot/grub/i386-pc', name));
      assert.ok(installed.equals(await readFile(join(MODULES, name))), name);
    }
    assert.equal(await readFile(join(bench.folder, 'victim'), 'utf8'), 'safe');
    await bench.unmount(root);
  });

  test('is refused a GPT without a BIOS boot partition', async (context) => {
    const { facts } = await converted(await biosSource(context));
    const plan = await planBootMending({ ...facts, biosBoot: undefined });
    assert.deepEqual(plan.obstacles, ['there is no BIOS boot partition for GRUB on the destination']);
  });

  for (const bootSector of ['of the disk', 'of the partition'] as const) {
    test(`that remembers the blocks of a file learns the new ones (boot sector ${bootSector})`, async (context) => {
      const source = await biosSource(context);
      const { bench, core, disk, facts } = source;
      const place = bootSector === 'of the disk' ? 0 : MIB;
      // As grub-install --force does: the gap is empty, and the boot sector names the first block of core.img.
      await disk.write(512, Buffer.alloc(core.length));
      await pointToFile(disk, core, place);

      const destination = diskFile(bench, bench.file('destination', DISK_BYTES));
      const start = 2 * MIB;
      const device = await destination.attachPartition({ start, size: 40 * MIB });
      await run(['mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal', device]);
      const root = await bench.mount(device);
      await mkdir(join(root, 'boot/grub/i386-pc'), { recursive: true });
      await writeFile(join(root, 'other'), Buffer.alloc(3 * MIB, 1));
      const path = join(root, 'boot/grub/i386-pc/core.img');
      const source1 = await bench.mount(await disk.attachPartition({ start: MIB, size: 50 * MIB }));
      await cp(join(source1, 'boot/grub/i386-pc/core.img'), path);
      await bench.unmount(source1);
      await bench.unmount(root);
      await destination.write(place === 0 ? 0 : start, await disk.read(place, 440));

      const moved = {
        ...facts,
        partitions: facts.partitions.map((one) =>
          one.number === 1 ? { ...one, start, size: 40 * MIB } : one,
        ),
      };
      const plan = await planBootMending(moved);
      assert.equal(plan.loader, 'GRUB by a block list in partition 1 (BIOS)');
      assert.deepEqual(plan.changedFiles, [{ partition: 1, path: '/boot/grub/i386-pc/core.img' }]);
      await mend(plan, moved, destination);
      const found = await followBlockList(destination, place === 0 ? 0 : start);
      assert.ok(found.subarray(512, core.length).equals(core.subarray(512)));
    });
  }

  test('whose file is gone is told to be installed again', async (context) => {
    const source = await biosSource(context, {
      fill: async (root) => writeFile(join(root, 'boot/grub/i386-pc/core.img'), 'another'),
    });
    const { disk, core, facts } = source;
    await disk.write(30 * MIB, core);
    await disk.write(30 * MIB + 500, listEntry((30 * MIB) / 512 + 1, Math.ceil(core.length / 512) - 1));
    await disk.write(0x5c, lbaBytes((30 * MIB) / 512));
    const plan = await planBootMending(facts);
    assert.match(
      plan.notes.join(),
      /remembers the blocks of a file in partition 1 .* before grub-install is run/,
    );
    assert.deepEqual(plan.steps, []);
  });
});

/** Writes the places of core.img in the first partition into its first sector, and that of this into a boot sector. */
async function pointToFile(disk: DiskFile, core: Buffer, bootSector: number): Promise<void> {
  const image = await disk.read(MIB, 50 * MIB);
  // The file is in one piece: an empty file system has room.
  const at = image.indexOf(core.subarray(512, 4096)) - 512;
  assert.ok(at > 0 && image.subarray(at, at + core.length).equals(core));
  const lba = (MIB + at) / 512;
  await disk.write(lba * 512 + 500, listEntry(lba + 1, Math.ceil(core.length / 512) - 1));
  const code = (await readFile(join(MODULES, 'boot.img'))).subarray(0, 440);
  await disk.write(0, bootSector === 0 ? code : Buffer.alloc(440, 0x33));
  await disk.write(bootSector, code);
  await disk.write(bootSector + 510, Buffer.from([0x55, 0xaa]));
  await disk.write(bootSector + 0x5c, lbaBytes(lba));
}

function lbaBytes(lba: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(lba));
  return bytes;
}

function listEntry(lba: number, sectors: number): Buffer {
  const entry = Buffer.alloc(12);
  lbaBytes(lba).copy(entry);
  entry.writeUInt16LE(sectors, 8);
  entry.writeUInt16LE(0x820, 10);
  return entry;
}

describe('a computer with UEFI', { skip }, () => {
  /** A FAT volume for which files stand, in place of a partition, with these programs in it. */
  async function espWith(bench: Workbench, paths: readonly string[]): Promise<string> {
    const esp = bench.file('esp', 40 * MIB);
    await run(['mkfs.fat', '-F', '32', '-s', '1', esp]);
    const folders = new Set(
      paths.flatMap((path) => [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index))),
    );
    for (const folder of folders) if (folder !== '') await run(['mmd', '-i', esp, `::${folder}`]);
    for (const path of paths) {
      const local = join(bench.folder, 'program');
      await writeFile(local, `contents of ${path}`);
      await run(['mcopy', '-i', esp, local, `::${path}`]);
    }
    return esp;
  }

  async function planWith(context: TestContext, paths: readonly string[]) {
    const bench = openWorkbench(context);
    const sourceDevice = await espWith(bench, paths);
    const source = diskFile(bench, bench.file('disk', 64 * MIB));
    const table = {
      kind: 'gpt',
      id: '',
      partitions: [{ number: 1, start: MIB, size: 40 * MIB, type: '', role: 'gpt' }],
      warnings: [],
      usedBackup: false,
      tableRegions: [],
    } as const;
    const facts = { ...factsOf(bench, source, table), partitions: partitionsOf(table, 'vfat') };
    const withDevice = { ...facts, partitions: facts.partitions.map((one) => ({ ...one, sourceDevice })) };
    const plan = await planBootMending(withDevice);
    const run1 = async (): Promise<string[]> => {
      const warnings: string[] = [];
      const stepContext = { session: bench.session, warn: (message: string) => warnings.push(message) };
      // The copy: here, the very volume.
      for (const step of plan.steps) await step.run(source, async () => sourceDevice, stepContext);
      return warnings;
    };
    const read = async (path: string) =>
      (await run(['mcopy', '-n', '-i', sourceDevice, `::${path}`, '-'])).stdout;
    return { plan, mendIt: run1, read, esp: sourceDevice, facts: withDevice };
  }

  test('starts the fallback that is there', async (context) => {
    const { plan } = await planWith(context, ['/EFI/BOOT/BOOTX64.EFI', '/EFI/systemd/systemd-bootx64.efi']);
    assert.deepEqual([plan.loader, plan.firmware], ['systemd-boot (UEFI)', 'uefi']);
    assert.deepEqual([plan.steps, plan.notes, plan.obstacles], [[], [], []]);
  });

  test('gets shim as its fallback, with GRUB and what enrols keys beside it', async (context) => {
    const { plan, mendIt, read } = await planWith(context, [
      '/EFI/debian/grub.cfg',
      '/EFI/debian/grubx64.efi',
      '/EFI/debian/mmx64.efi',
      '/EFI/debian/shimx64.efi',
      '/EFI/Microsoft/Boot/bootmgfw.efi',
    ]);
    assert.equal(plan.loader, 'GRUB by shim, Windows Boot Manager (UEFI)');
    assert.match(
      plan.notes.join(),
      /BOOTX64.EFI is missing.*GRUB by shim is copied there from \/EFI\/debian/,
    );
    assert.deepEqual(await mendIt(), []);
    assert.equal(await read('/EFI/BOOT/BOOTX64.EFI'), 'contents of /EFI/debian/shimx64.efi');
    assert.equal(await read('/EFI/BOOT/grubx64.efi'), 'contents of /EFI/debian/grubx64.efi');
    assert.equal(await read('/EFI/BOOT/mmx64.efi'), 'contents of /EFI/debian/mmx64.efi');
    assert.equal(await read('/EFI/debian/shimx64.efi'), 'contents of /EFI/debian/shimx64.efi');
  });

  test('gets Windows as its fallback beside programs that are none', async (context) => {
    const { plan, mendIt, read } = await planWith(context, [
      '/EFI/BOOT/readme.efi',
      '/EFI/Microsoft/Boot/bootmgfw.efi',
    ]);
    assert.equal(plan.loader, 'Windows Boot Manager (UEFI)');
    assert.deepEqual(await mendIt(), []);
    assert.equal(await read('/EFI/BOOT/BOOTX64.EFI'), 'contents of /EFI/Microsoft/Boot/bootmgfw.efi');
    assert.equal(await read('/EFI/BOOT/readme.efi'), 'contents of /EFI/BOOT/readme.efi');
  });

  test('gets a fallback of its own processor', async (context) => {
    const { mendIt, read } = await planWith(context, ['/EFI/debian/grubaa64.efi']);
    await mendIt();
    assert.equal(await read('/EFI/BOOT/BOOTAA64.EFI'), 'contents of /EFI/debian/grubaa64.efi');
  });

  test('is told of a program that nobody knows', async (context) => {
    const { plan } = await planWith(context, ['/EFI/acme/loader.efi']);
    assert.equal(plan.loader, 'loader.efi (UEFI)');
    assert.match(plan.notes.join(), /of \/EFI\/acme\/loader.efi it is not known/);
  });

  test('hears by a warning that the fallback could not be made', async (context) => {
    const { plan, mendIt, esp } = await planWith(context, ['/EFI/debian/grubx64.efi']);
    await run(['mdel', '-i', esp, '::/EFI/debian/grubx64.efi']);
    assert.equal(plan.steps.length, 1);
    assert.match(
      (await mendIt()).join(),
      /BOOTX64.EFI could not be made; copy \/EFI\/debian\/grubx64.efi there by hand/,
    );
  });

  test('starts from sectors of 4096 bytes what a BIOS would not', async (context) => {
    const { facts } = await planWith(context, ['/EFI/BOOT/BOOTX64.EFI', '/EFI/debian/grubx64.efi']);
    await facts.source.attachPartition({ start: 0, size: MIB });
    const source = facts.source as DiskFile;
    await source.write(0, (await readFile(join(MODULES, 'boot.img'))).subarray(0, 440));
    const plan = await planBootMending({ ...facts, destination: { bytes: source.size, sectorBytes: 4096 } });
    assert.deepEqual([plan.firmware, plan.loader, plan.obstacles], ['uefi', 'GRUB (UEFI)', []]);
    assert.match(plan.notes.join(), /a BIOS cannot start .* it starts under UEFI only/);
  });
});

describe('Windows of a BIOS', { skip }, () => {
  const place = (start: number): Buffer => {
    const element = Buffer.alloc(88);
    element.writeUInt32LE(6, 0x10);
    element.writeUInt32LE(0x48, 0x18);
    element.writeBigUInt64LE(BigInt(start), 0x20);
    element.writeUInt32LE(1, 0x34);
    element.writeUInt32LE(Number(`0x${SIGNATURE}`), 0x38);
    return element;
  };
  const hive = (start: number): Buffer => {
    const bytes = Buffer.alloc(16_384);
    bytes.write('regf', 'latin1');
    place(start).copy(bytes, 5000);
    return bytes;
  };

  async function windowsSource(context: TestContext) {
    const bench = openWorkbench(context);
    const disk = diskFile(bench, bench.file('source', DISK_BYTES));
    await run(['sfdisk', '-q', '--no-tell-kernel', disk.path], {
      input: `label: dos\nlabel-id: 0x${SIGNATURE}\nstart=1MiB, size=30MiB, type=7, bootable\n`,
    });
    const device = await disk.attachPartition({ start: MIB, size: 30 * MIB });
    await run(['mkntfs', '-Q', '-q', '-F', device]);
    const root = join(bench.folder, 'ntfs');
    await mkdir(root);
    bench.session.hold({ kind: 'mount', path: root });
    await run(['mount', '-t', 'ntfs-3g', device, root]);
    await mkdir(join(root, 'Boot'));
    await writeFile(join(root, 'Boot/BCD'), hive(MIB));
    await bench.unmount(root);
    await disk.write(0, Buffer.alloc(440, 0x33));
    await disk.write(MIB + 512, Buffer.from('BOOTMGR', 'utf16le'));
    const table = await readPartitionTable(disk);
    return {
      bench,
      disk,
      facts: { ...factsOf(bench, disk, table), partitions: partitionsOf(table, 'ntfs') },
    };
  }

  test('finds its partition at another place', async (context) => {
    const { bench, disk, facts } = await windowsSource(context);
    const start = 20 * MIB;
    const moved = { ...facts, partitions: facts.partitions.map((one) => ({ ...one, start })) };
    const plan = await planBootMending(moved);
    assert.equal(plan.loader, 'Windows Boot Manager (BIOS)');
    assert.deepEqual(plan.changedFiles, [{ partition: 1, path: '/Boot/BCD' }]);
    const destination = diskFile(bench, bench.file('destination', DISK_BYTES));
    await destination.write(start, await disk.read(MIB, 30 * MIB));
    assert.deepEqual(await mend(plan, moved, destination), []);
    const device = await destination.attachPartition({ start, size: 30 * MIB });
    const { stdout } = await run(['ntfscat', device, '/Boot/BCD'], { encoding: 'latin1' });
    assert.ok(Buffer.from(stdout, 'latin1').equals(hive(start)));
    // And on the source nothing has changed.
    const original = await disk.attachPartition({ start: MIB, size: 30 * MIB });
    const before = await run(['ntfscat', original, '/Boot/BCD'], { encoding: 'latin1' });
    assert.ok(Buffer.from(before.stdout, 'latin1').equals(hive(MIB)));
  });

  test('needs nothing at its own place', async (context) => {
    const { facts } = await windowsSource(context);
    const plan = await planBootMending(facts);
    assert.deepEqual([plan.firmware, plan.steps, plan.notes], ['bios', [], []]);
  });
});
