import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type NetNamespace, openNamespace } from '@diskferry/server/pxe/testing/net-namespace';
import { makePxeFolders, type PxeProcess, startPxe } from '@diskferry/server/pxe/testing/pxe-process';
import { openWire, startForeignDhcp, type TestWire } from '@diskferry/server/pxe/testing/test-wire';
import type { Machine } from '@diskferry/server/qemu/machine';
import { openSession } from '@diskferry/system/session';
import { artefact } from './artefacts.ts';
import { standby, startNetworkMachine } from './pxe-machine.ts';
import { makeSignedTalkingDisk } from './pxe-talking-program.ts';
import { reset } from './reset.ts';
import { sitOn } from './sit.ts';

/*
 * Machines that enforce Secure Boot, on one wire with ISC dhcpd and with our PXE server. Their own disk holds Debian's signed
 * shim and GRUB.
 */
const DISK_WORDS = 'the signed disk of this computer speaks';
const FIRMWARE_MS = 300_000;
/** Some 45 MB by TFTP. */
const LOADING_MS = 800_000;
const MEMORY_MB = 512;
const UUID = '11223344-5566-7788-99aa-bbccddeeff07';

const session = openSession('pxe-secure-boot');
const folders = { ...makePxeFolders(), files: dirname(artefact('pxe/vmlinuz')) };
const folder = mkdtempSync(join(tmpdir(), 'diskferry-pxe-secure-boot-'));
const disk = join(folder, 'signed.raw');
let wire: TestWire;
let server: NetNamespace;
let pxe: PxeProcess;

before(async () => {
  wire = await openWire(session, 'the wire');
  server = await openNamespace(session, 'server');
  await wire.plug(server, 'eth0', '10.77.0.3/24');
  await startForeignDhcp(session, wire, '');
  await makeSignedTalkingDisk(disk, DISK_WORDS, { folder, signed: folders.files });
  const words = ['--interface', 'eth0', '--loading-addresses', '10.77.0.210-10.77.0.220'];
  pxe = await startPxe(session, folders, server, words);
});

after(async () => {
  await session[Symbol.asyncDispose]();
  folders[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

async function withMachine(
  { name, mac, uuid }: { readonly name: string; readonly mac: string; readonly uuid?: string },
  work: (machine: Machine) => Promise<void>,
): Promise<void> {
  await using machine = await startNetworkMachine({
    name,
    mac,
    ...(uuid === undefined ? {} : { uuid }),
    firmware: 'uefi-secure-boot',
    memoryMb: MEMORY_MB,
    session,
    wire: wire.namespace,
    disks: [{ path: disk, format: 'raw', bus: 'virtio', snapshot: true }],
  });
  try {
    await work(machine);
  } catch (error) {
    await sitOn(machine, []);
    throw error;
  }
}

const startsFromDisk = async (machine: Machine, from = 0): Promise<void> => {
  await machine.waitForSerial(new RegExp(DISK_WORDS), {
    timeoutMs: FIRMWARE_MS,
    from,
    hopeless: /waiting for the server/,
  });
};

test('a computer with Secure Boot, known by its UUID, boots to standby once, and then from its own disk', async () => {
  const mac = '52:54:00:bc:00:01';
  await pxe.decide('allow', UUID, '--once', '--secure-boot');
  await withMachine({ name: 'pxe-secure-once', mac, uuid: UUID }, async (machine) => {
    const { by, address, firmware } = await pxe.logged(
      ({ event, mac: asking }) => event === 'asked' && asking === mac,
      FIRMWARE_MS,
    );
    assert.deepEqual({ by, firmware }, { by: 'uuid', firmware: 'uefi' });
    assert.match(String(address), /^10\.77\.0\.2[12]\d$/, 'it loads with an address of ours');
    await pxe.logged(({ event, mac: booted }) => event === 'booted' && booted === mac, LOADING_MS);
    const lease = /eth0\s+52:54:00:bc:00:01\s+link up\s+(10\.77\.0\.1\d\d)/;
    const { match } = await machine.waitForSerial(lease, { timeoutMs: FIRMWARE_MS });
    await standby(machine, server, match[1] ?? '');
    await startsFromDisk(machine, await reset(machine));
    await pxe.logged(({ event, mac: asking }) => event === 'unanswered' && asking === mac);
  });
});

test('a computer with Secure Boot that is refused is told so, and starts from its own disk', async () => {
  const mac = '52:54:00:bc:00:02';
  await pxe.decide('refuse', mac, '--secure-boot');
  await withMachine({ name: 'pxe-secure-refused', mac }, async (machine) => {
    await machine.waitForSerial(/this server does not start this computer \(52:54:00:bc:00:02\)/, {
      timeoutMs: FIRMWARE_MS,
    });
    await startsFromDisk(machine);
  });
});

test('a computer with Secure Boot whose rule does not say so refuses the loader, and starts from its own disk', async () => {
  const mac = '52:54:00:bc:00:03';
  await pxe.decide('allow', mac);
  await withMachine({ name: 'pxe-secure-unsaid', mac }, async (machine) => {
    await startsFromDisk(machine);
  });
  await pxe.logged(({ event, file }) => event === 'loader' && file === 'snponly.efi');
});
