import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { type NetNamespace, openNamespace } from '@diskferry/server/pxe/testing/net-namespace';
import { makePxeFolders, type PxeProcess, startPxe } from '@diskferry/server/pxe/testing/pxe-process';
import {
  openWire,
  startForeignDhcp,
  startForeignTftp,
  type TestWire,
} from '@diskferry/server/pxe/testing/test-wire';
import { makeTalkingDisk } from '@diskferry/server/qemu/boot-sector';
import type { Machine } from '@diskferry/server/qemu/machine';
import { openSession } from '@diskferry/system/session';
import { artefact } from './artefacts.ts';
import { standby, startNetworkMachine } from './pxe-machine.ts';
import { makeTalkingProgram, makeTalkingUefiDisk } from './pxe-talking-program.ts';
import { reset } from './reset.ts';
import { sitOn } from './sit.ts';

/*
 * One wire with ISC dhcpd, which hands out the addresses and names boot files of its own; with our PXE server beside it; and
 * with a virtual machine.
 */
const DISK_WORDS = 'the disk of this computer speaks';
const THEIR_WORDS = 'the boot server of somebody else speaks';
/** For firmware of both kinds; nobody serves that for a BIOS. */
const THEIR_SETTINGS = 'if option firmware = 00:07 { filename "theirs.efi"; } else { filename "theirs.0"; }';
const FIRMWARE_MS = 300_000;
const UUID = '11223344-5566-7788-99aa-bbccddeeff00';
/** UEFI firmware that gives an initrd to a kernel holds it twice for a moment. */
const UEFI_MEMORY_MB = 384;

const session = openSession('pxe-qemu');
const folders = { ...makePxeFolders(), files: dirname(artefact('pxe/vmlinuz')) };
const folder = mkdtempSync(join(tmpdir(), 'diskferry-pxe-qemu-'));
const disks = { bios: join(folder, 'bios.raw'), uefi: join(folder, 'uefi.raw') };
let wire: TestWire;
let server: NetNamespace;
let pxe: PxeProcess;

before(async () => {
  wire = await openWire(session, 'the wire');
  server = await openNamespace(session, 'server');
  await wire.plug(server, 'eth0', '10.77.0.3/24');
  const tftp = join(folder, 'tftp');
  mkdirSync(tftp);
  for (const path of [folder, tftp]) chmodSync(path, 0o755);
  const foreign = await startForeignDhcp(session, wire, THEIR_SETTINGS);
  await makeTalkingProgram(join(tftp, 'theirs.efi'), THEIR_WORDS);
  await startForeignTftp(session, foreign, tftp);
  await makeTalkingDisk(disks.bios, DISK_WORDS);
  await makeTalkingUefiDisk(disks.uefi, DISK_WORDS, folder);
  pxe = await startPxe(session, folders, server, ['--interface', 'eth0']);
});

after(async () => {
  await session[Symbol.asyncDispose]();
  folders[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

async function withMachine(
  options: Omit<Parameters<typeof startNetworkMachine>[0], 'session' | 'wire' | 'disks'>,
  work: (machine: Machine) => Promise<void>,
): Promise<void> {
  const path = options.firmware === 'bios' ? disks.bios : disks.uefi;
  const disk = { path, format: 'raw', bus: 'virtio', snapshot: true } as const;
  await using machine = await startNetworkMachine({
    ...options,
    session,
    wire: wire.namespace,
    disks: [disk],
  });
  try {
    await work(machine);
  } catch (error) {
    await sitOn(machine, []);
    throw error;
  }
}

/** The machine of that MAC address boots the imaging client, and starts from its disk when it is reset. */
async function bootsOnce(machine: Machine, mac: string): Promise<void> {
  const { by, address } = await pxe.logged(
    ({ event, mac: asking }) => event === 'asked' && asking === mac,
    FIRMWARE_MS,
  );
  assert.notEqual(by, 'unknown');
  assert.match(String(address), /^10\.77\.0\.1/, 'the address comes from the other server');
  await pxe.logged(({ event, mac: booted }) => event === 'booted' && booted === mac, FIRMWARE_MS);
  await standby(machine, server, String(address));
  const from = await reset(machine);
  await machine.waitForSerial(new RegExp(DISK_WORDS), { timeoutMs: FIRMWARE_MS, from });
  await pxe.logged(
    ({ event, mac: asking, decision }) => event === 'asked' && asking === mac && decision === 'local',
  );
}

test('a BIOS computer boots to standby once, and then from its own disk', async () => {
  const mac = '52:54:00:bb:00:01';
  await pxe.decide('allow', mac, '--once');
  await withMachine({ name: 'pxe-bios', firmware: 'bios', memoryMb: 256, mac }, async (machine) =>
    bootsOnce(machine, mac),
  );
});

test('a UEFI computer, known by its UUID, boots to standby once, and then from its own disk', async () => {
  const mac = '52:54:00:bb:00:02';
  await pxe.decide('allow', UUID, '--once');
  const description = {
    name: 'pxe-uefi',
    firmware: 'uefi',
    memoryMb: UEFI_MEMORY_MB,
    mac,
    uuid: UUID,
  } as const;
  await withMachine(description, async (machine) => bootsOnce(machine, mac));
});

test('a BIOS computer that nobody named starts from its own disk', async () => {
  const mac = '52:54:00:bb:00:03';
  const description = { name: 'pxe-unknown-bios', firmware: 'bios', memoryMb: 256, mac } as const;
  await withMachine(description, async (machine) => {
    await machine.waitForSerial(new RegExp(DISK_WORDS), { timeoutMs: FIRMWARE_MS });
  });
  await pxe.logged(({ event, mac: asking }) => event === 'unanswered' && asking === mac);
});

test('a UEFI computer that nobody named starts from the boot server of somebody else', async () => {
  const mac = '52:54:00:bb:00:04';
  const description = { name: 'pxe-unknown-uefi', firmware: 'uefi', memoryMb: 256, mac } as const;
  await withMachine(description, async (machine) => {
    await machine.waitForSerial(new RegExp(THEIR_WORDS), { timeoutMs: FIRMWARE_MS });
  });
  await pxe.logged(({ event, mac: asking }) => event === 'unanswered' && asking === mac);
});

test('a UEFI computer boots over HTTP to standby', async () => {
  const mac = '52:54:00:bb:00:05';
  await pxe.decide('allow', mac);
  const description = {
    name: 'pxe-uefi-http',
    firmware: 'uefi',
    memoryMb: UEFI_MEMORY_MB,
    mac,
    httpBoot: true,
  } as const;
  await withMachine(description, async (machine) => {
    await pxe.logged(({ event, by }) => event === 'loader' && by === 'http', FIRMWARE_MS);
    const { address } = await pxe.logged(
      ({ event, mac: booted }) => event === 'booted' && booted === mac,
      FIRMWARE_MS,
    );
    await standby(machine, server, String(address));
  });
});
