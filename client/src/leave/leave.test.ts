import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { leave } from './leave.ts';

const GUID = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
/** One node of a path: type, subtype, data. */
type Node = readonly [type: number, subtype: number, data?: Buffer];

const PCI: Node = [1, 1, Buffer.alloc(2)];
const SATA: Node = [3, 18, Buffer.alloc(6)];
const USB: Node = [3, 5, Buffer.alloc(2)];
const MAC: Node = [3, 11, Buffer.alloc(33)];
const FILE: Node = [4, 4, Buffer.from('\\EFI\\x\0', 'utf16le')];
const FIRMWARE_FILE: Node = [4, 6, Buffer.alloc(16)];

function partition(number: number, start: number, blocks: number): Node {
  const data = Buffer.alloc(38);
  data.writeUInt32LE(number);
  data.writeBigUInt64LE(BigInt(start), 4);
  data.writeBigUInt64LE(BigInt(blocks), 12);
  return [4, 1, data];
}

function loadOption(description: string, nodes: readonly Node[], attributes = 1): Buffer {
  const path = Buffer.concat(
    [...nodes, [0x7f, 0xff] as Node].map(([type, subtype, data = Buffer.alloc(0)]) => {
      const header = Buffer.from([type, subtype, 0, 0]);
      header.writeUInt16LE(4 + data.length, 2);
      return Buffer.concat([header, data]);
    }),
  );
  const header = Buffer.alloc(6);
  header.writeUInt32LE(attributes);
  header.writeUInt16LE(path.length, 4);
  return Buffer.concat([
    header,
    Buffer.from(`${description}\0`, 'utf16le'),
    path,
    Buffer.from('for the loader'),
  ]);
}

/** The root of a secondary OS, whose script only writes down how it is called. */
class MadeUpSystem {
  readonly root = mkdtempSync(join(tmpdir(), 'diskferry-leave-'));

  constructor(context: TestContext, script = 'exit 0') {
    context.after(() => rmSync(this.root, { recursive: true }));
    const path = 'usr/lib/diskferry/leave';
    this.write(path, `#!/bin/sh\necho "$1" >>'${this.root}/calls'\n${script}\n`);
    chmodSync(join(this.root, path), 0o755);
  }

  write(path: string, data: string | Buffer): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), data);
  }

  variable(name: string, data: Buffer): void {
    this.write(`sys/firmware/efi/efivars/${name}-${GUID}`, Buffer.concat([Buffer.from([7, 0, 0, 0]), data]));
  }

  bootMenu(current: number, entries: Readonly<Record<number, Buffer>>): void {
    const numbers = Object.keys(entries).map(Number);
    this.variable('BootOrder', Buffer.from(Uint16Array.from(numbers).buffer));
    this.variable('BootCurrent', Buffer.from(Uint16Array.of(current).buffer));
    for (const number of numbers) {
      const hex = number.toString(16).toUpperCase().padStart(4, '0');
      this.variable(`Boot${hex}`, entries[number] ?? Buffer.alloc(0));
    }
  }

  /** In sectors of 512 bytes, as sysfs has it. */
  disk(name: string, { removable = '0', blockSize = 512, start = 2048, size = 1000 } = {}): void {
    const folder = `sys/block/${name}`;
    this.write(`${folder}/removable`, `${removable}\n`);
    this.write(`${folder}/queue/logical_block_size`, `${blockSize}\n`);
    this.write(`${folder}/${name}1/partition`, '1\n');
    this.write(`${folder}/${name}1/start`, `${start}\n`);
    this.write(`${folder}/${name}1/size`, `${size}\n`);
  }

  calls(): string[] {
    return this.#read('calls').toString().trim().split('\n');
  }

  /** The number in BootNext. */
  bootNext(): number | undefined {
    const bytes = this.#read(`sys/firmware/efi/efivars/BootNext-${GUID}`);
    if (bytes.length === 0) return undefined;
    assert.deepEqual([...bytes.subarray(0, 4)], [7, 0, 0, 0]);
    assert.equal(bytes.length, 6);
    return bytes.readUInt16LE(4);
  }

  #read(path: string): Buffer {
    try {
      return readFileSync(join(this.root, path));
    } catch {
      return Buffer.alloc(0);
    }
  }
}

test('restart and power off are one call of the script each', async (context) => {
  for (const how of ['reboot', 'power-off'] as const) {
    const system = new MadeUpSystem(context);
    await leave(how, { root: system.root });
    assert.deepEqual(system.calls(), [how]);
  }
});

test('a loaded kernel is started after disks were brought up to date', async (context) => {
  const system = new MadeUpSystem(context);
  const started: string[][] = [];
  await leave('kexec', { root: system.root, startKernel: () => started.push(system.calls()) });
  assert.deepEqual(started, [['prepare-kexec']]);
});

test('a script that refuses is told with its words', async (context) => {
  const system = new MadeUpSystem(context, 'echo "the disk is busy" >&2; exit 1');
  await assert.rejects(leave('reboot', { root: system.root }), {
    code: 'LEAVE_FAILED',
    message: 'the computer cannot leave (reboot): the disk is busy',
  });
});

test('the firmware is told to start the entry that leads into a partition of the disk', async (context) => {
  const system = new MadeUpSystem(context);
  system.disk('nvme0n1', { blockSize: 4096, start: 2048, size: 8000 });
  system.bootMenu(1, {
    1: loadOption('UEFI DVD-ROM', [PCI, SATA]),
    2: loadOption('UEFI PXE', [PCI, MAC]),
    3: loadOption('of another disk', [PCI, SATA, partition(1, 4096, 77), FILE]),
    0xab: loadOption('debian', [partition(1, 256, 1000), FILE]),
    5: loadOption('UEFI HARDDISK', [PCI, SATA]),
  });
  const said: string[] = [];
  await leave('local-disk', { root: system.root, say: (text) => said.push(text) });
  assert.equal(system.bootNext(), 0xab);
  assert.deepEqual(said, ['The firmware starts "debian" next.']);
  assert.deepEqual(system.calls(), ['prepare', 'reboot']);
});

test('without such an entry the first fixed disk is taken: no CD, no USB stick, no network, no program', async (context) => {
  const system = new MadeUpSystem(context);
  system.disk('sda');
  system.bootMenu(0, {
    0: loadOption('UEFI USB stick', [PCI, USB]),
    1: loadOption('UiApp', [FIRMWARE_FILE]),
    2: loadOption('UEFI QEMU DVD-ROM QM00005', [PCI, SATA]),
    3: loadOption('UEFI PXEv4', [PCI, MAC]),
    4: loadOption('UEFI other USB stick', [PCI, USB]),
    5: loadOption('switched off', [PCI, SATA], 0),
    6: loadOption('UEFI QEMU HARDDISK QM00001', [PCI, SATA]),
  });
  await leave('local-disk', { root: system.root });
  assert.equal(system.bootNext(), 6);
});

test('the stick that was started from is not taken for the disk', async (context) => {
  const system = new MadeUpSystem(context);
  system.disk('sda', { removable: '1' });
  system.disk('sdb', { start: 4096 });
  const stick = partition(1, 2048, 1000);
  system.bootMenu(1, {
    1: loadOption('stick', [PCI, USB, stick]),
    2: loadOption('stick again', [stick, FILE]),
    3: loadOption('disk', [partition(1, 4096, 1000), FILE]),
  });
  await leave('local-disk', { root: system.root });
  assert.equal(system.bootNext(), 3);
});

test('without UEFI, an entry or sense in its variables the computer restarts all the same', async (context) => {
  const bios = new MadeUpSystem(context);
  await leave('local-disk', { root: bios.root });
  assert.equal(bios.bootNext(), undefined);

  const broken = new MadeUpSystem(context);
  const whole = loadOption('disk', [PCI, SATA]);
  const cuts = Array.from({ length: whole.length - 14 }, (_, length) => whole.subarray(0, length));
  broken.bootMenu(0xffff, Object.fromEntries(cuts.map((bytes, number) => [number, bytes])));
  await leave('local-disk', { root: broken.root });
  assert.equal(broken.bootNext(), undefined);

  for (const system of [bios, broken]) assert.deepEqual(system.calls(), ['prepare', 'reboot']);
});
