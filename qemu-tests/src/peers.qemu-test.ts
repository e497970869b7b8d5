import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fetchInventory } from '@diskferry/server/control/fetch-inventory';
import type { DiskBus, MachineDisk } from '@diskferry/server/qemu/machine-description';
import { run, runJson } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import { type BootedClient, withBootedClient } from './booted-client.ts';
import { fillRange } from './source-computers/junk.ts';
import { sha256Of, workFile } from './work-files.ts';

const MIB = 1024 * 1024;
const DISKS = [
  { name: 'sda', bus: 'ahci', sizeMib: 96, sector: 512 },
  { name: 'vda', bus: 'virtio', sizeMib: 64, sector: 512 },
  { name: 'nvme0n1', bus: 'nvme', sizeMib: 80, sector: 4096 },
] as const satisfies readonly { name: string; bus: DiskBus; sizeMib: number; sector: 512 | 4096 }[];

interface NbdInfo {
  readonly exports: readonly {
    readonly 'export-name': string;
    readonly 'export-size': number;
    readonly is_read_only: boolean;
    readonly block_size_minimum?: number;
  }[];
}

describe('a booted client and the NBD tools of Debian', { concurrency: false }, () => {
  let session: Session;
  let client: BootedClient;
  const paths = new Map<string, string>();
  const sums = new Map<string, string>();
  const finished = Promise.withResolvers<void>();
  let machineEnded: Promise<void>;

  before(async () => {
    session = openSession('peers');
    for (const { name, sizeMib } of DISKS) {
      const path = await workFile(session, `${name}.raw`);
      await fillRange(path, { start: 0, size: sizeMib * MIB }, { signal: undefined });
      paths.set(name, path);
      sums.set(name, await sha256Of(path));
    }
    const disks = DISKS.map(({ name, bus, sector }): MachineDisk => {
      return { path: paths.get(name) ?? '', format: 'raw', bus, sectorSize: sector, serial: `S-${name}` };
    });
    const ready = Promise.withResolvers<BootedClient>();
    // Programs that cannot pair need a client in plain text.
    const boot = { medium: 'pxe', kernelWords: ['diskferry.insecure'] } as const;
    machineEnded = withBootedClient({ name: 'peers', session, disks, ...boot }, async (booted) => {
      ready.resolve(booted);
      await finished.promise;
    });
    machineEnded.catch(ready.reject);
    client = await ready.promise;
  });

  after(async () => {
    finished.resolve();
    await machineEnded?.catch(() => undefined);
    await session[Symbol.asyncDispose]();
  });

  test('nbdinfo --list names each disk with its description', async () => {
    const { stdout } = await run(['nbdinfo', '--list', `nbd://127.0.0.1:${client.diskPort}`]);
    for (const { name } of DISKS) assert.match(stdout, new RegExp(`export="${name}"`));
    assert.match(stdout, /S-vda/);
  });

  test('nbdinfo --json tells sizes and sectors, and that the disks are read-only', async () => {
    for (const { name, sizeMib, sector } of DISKS) {
      const { exports } = await runJson<NbdInfo>(['nbdinfo', '--json', client.diskAddress(name)]);
      const [found] = exports;
      assert.equal(found?.['export-size'], sizeMib * MIB);
      assert.equal(found.is_read_only, true);
      assert.equal(found.block_size_minimum, sector, name);
    }
  });

  for (const { name } of DISKS) {
    test(`nbdcopy copies all of ${name}`, async () => {
      const copy = await workFile(session, `${name}.nbdcopy`);
      await run(['nbdcopy', client.diskAddress(name), copy]);
      assert.equal(await sha256Of(copy), sums.get(name));
    });
  }

  test('qemu-img converts a disk', async () => {
    const copy = await workFile(session, 'converted.qcow2');
    await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', client.diskAddress('vda'), copy]);
    await run(['qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', copy, paths.get('vda') ?? '']);
  });

  test('the control channel tells the inventory', async () => {
    const inventory = await fetchInventory({ host: client.host, port: client.controlPort });
    assert.equal(inventory.computer.firmware, 'bios');
    const seen = inventory.disks.map(({ name, size, sectorSize, serial, transport }) => {
      return { name, size, logical: sectorSize.logical, serial, transport };
    });
    const transports = { ahci: ['sata', 'ata'], virtio: ['virtio'], nvme: ['nvme'] };
    for (const { name, bus, sizeMib, sector } of DISKS) {
      const disk = seen.find((candidate) => candidate.name === name);
      assert.ok(disk, `${name} is missing in ${JSON.stringify(seen)}`);
      assert.deepEqual(
        { ...disk, transport: transports[bus].includes(disk.transport) },
        { name, size: sizeMib * MIB, logical: sector, serial: `S-${name}`, transport: true },
      );
    }
    assert.equal(inventory.nics.length, 1);
  });

  test('none of the disks was written', async () => {
    for (const { name } of DISKS) assert.equal(await sha256Of(paths.get(name) ?? ''), sums.get(name), name);
  });
});
