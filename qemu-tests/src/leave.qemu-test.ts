import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine } from '@diskferry/server/qemu/machine';
import { openSession } from '@diskferry/system/session';
import { type BootedClient, type ClientBoot, withBootedClient } from './booted-client.ts';
import { emptyDisk } from './deploy.ts';
import { diskferry } from './diskferry.ts';
import { makeSourceComputer, type SourceComputer } from './source-computers/source-computer.ts';
import type { SourceKind } from './source-computers/layout.ts';

/** Both take far less on an idle machine. */
const COMMAND_TIMEOUT_MS = 300_000;
const SYSTEM_TIMEOUT_MS = 400_000;
const PROMPT = /ferryman login: /;
/** Debian with the initrd of all drivers, held twice for a moment. */
const KEXEC_MEMORY_MB = 768;
const REFUSED = 2;
const EMPTY_BYTES = 64 * 1024 * 1024;
const POLL_MS = 200;

type Boot = Pick<ClientBoot, 'name' | 'medium' | 'firmware'> & Partial<ClientBoot>;

/** A computer with Debian on its disk, which was started from one of our media. */
async function withDebian(
  kind: SourceKind,
  boot: Boot,
  work: (client: BootedClient) => Promise<void>,
): Promise<void> {
  const source: SourceComputer = await makeSourceComputer(kind);
  await using session = openSession('leave');
  const disk = { path: source.diskPath, format: 'raw', bus: 'ahci', snapshot: true } as const;
  await withBootedClient({ session, disks: [disk], ...boot }, work);
}

/** Sends it out by the command line, and waits until the system on its disk shows its prompt. */
async function leavesForDebian(
  context: TestContext,
  { machine, host, diskPort, connectionWords }: BootedClient,
  words: readonly string[] = [],
): Promise<void> {
  const { end } = machine.serial;
  const begin = performance.now();
  const command = ['leave', ...words, ...connectionWords, `${host}:${diskPort}`];
  const { stdout } = await diskferry(command, { timeoutMs: COMMAND_TIMEOUT_MS });
  assert.match(stdout, words.length === 0 ? /restarts from its own disk/ : /starts the Linux of its disk/);
  await machine.waitForSerial(PROMPT, { timeoutMs: SYSTEM_TIMEOUT_MS, from: end });
  context.diagnostic(`login prompt ${((performance.now() - begin) / 1000).toFixed(0)} s after the command`);
}

test('a UEFI computer that was started from a USB stick starts its disk next, though the stick comes first', async (context) => {
  const boot = { name: 'leave-boot-next', medium: 'usb-stick', firmware: 'uefi' } as const;
  await withDebian('uefi-gpt', boot, async (client) => {
    await leavesForDebian(context, client);
  });
});

test('a BIOS computer that was started from a CD opens its tray, and starts its disk', async (context) => {
  const boot = { name: 'leave-cd', medium: 'cd', firmware: 'bios' } as const;
  await withDebian('bios-mbr', boot, async (client) => {
    assert.equal(await isTrayOpen(client.machine), false);
    const opened = trayOpens(client.machine);
    // A reset closes QEMU's drive, which comes before the disk: the menu of the medium goes on to the disk then.
    await leavesForDebian(context, client);
    assert.equal(await opened, true);
  });
});

test('a BIOS computer that was started from a USB stick starts its disk, though the stick comes first', async (context) => {
  const boot = { name: 'leave-stick', medium: 'usb-stick', firmware: 'bios' } as const;
  await withDebian('bios-mbr', boot, async (client) => {
    await leavesForDebian(context, client);
  });
});

test('a BIOS computer starts the Linux of its disk without its firmware', async (context) => {
  const boot = { name: 'leave-kexec', medium: 'pxe', firmware: 'bios', memoryMb: KEXEC_MEMORY_MB } as const;
  await withDebian('bios-mbr', boot, async (client) => {
    await leavesForDebian(context, client, ['--kexec=sda']);
  });
});

test('a computer with Secure Boot starts the signed Linux of its disk without its firmware', async (context) => {
  const firmware = 'uefi-secure-boot';
  const boot = { name: 'leave-kexec-secure', medium: 'cd', firmware, memoryMb: KEXEC_MEMORY_MB } as const;
  await withDebian('uefi-gpt', boot, async (client) => {
    await leavesForDebian(context, client, ['--kexec=sda']);
  });
});

test('a computer whose disk holds no Linux stays, and it is said why', async () => {
  await using session = openSession('leave');
  const disk = await emptyDisk(session, 'nothing.raw', EMPTY_BYTES);
  const disks = [{ path: disk, format: 'raw', bus: 'ahci' }] as const;
  const boot = { name: 'leave-stays', session, medium: 'pxe', firmware: 'bios', disks } as const;
  await withBootedClient(boot, async ({ host, diskPort, connectionWords }) => {
    const command = ['leave', '--kexec=sda', ...connectionWords, `${host}:${diskPort}`];
    const { stderr } = await diskferry(command, { timeoutMs: COMMAND_TIMEOUT_MS, okExitCodes: [REFUSED] });
    assert.match(stderr, /no partition of that disk has a GRUB configuration/);
    // It is there still.
    await diskferry(['inventory', ...connectionWords, `${host}:${diskPort}`], {
      timeoutMs: COMMAND_TIMEOUT_MS,
    });
  });
});

interface QueriedDrive {
  readonly tray_open?: boolean;
}

async function isTrayOpen(machine: Machine): Promise<boolean> {
  const drives = (await machine.qmp({ execute: 'query-block' })) as readonly QueriedDrive[];
  return drives.some((drive) => drive.tray_open === true);
}

/** Whether the tray opens before long. */
async function trayOpens(machine: Machine): Promise<boolean> {
  for (const end = Date.now() + COMMAND_TIMEOUT_MS; Date.now() < end; await sleep(POLL_MS)) {
    if (await isTrayOpen(machine)) return true;
  }
  return false;
}
