import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { KERNEL_WORDS } from '@diskferry/system/medium/kernel-words';
import { startMachine } from '@diskferry/server/qemu/machine';
import type { MachineDescription } from '@diskferry/server/qemu/machine-description';
import { openSession, type Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { run } from '@diskferry/system/run';
import { alteredCopy, turnBits } from './altered-file.ts';
import { artefact, LOG_FOLDER } from './artefacts.ts';
import { withBootedClient } from './booted-client.ts';
import { diskferry } from './diskferry.ts';
import { MEMORY_ARGUMENTS, watchMemory } from './guest-memory.ts';
import { sitOn } from './sit.ts';
import { fillRange } from './source-computers/junk.ts';
import { sha256Of, workFile } from './work-files.ts';

const SMALLEST_MEMORY_MB = 192;

// One file for CD and USB stick: what a person burns or copies has to start everywhere.
const MEDIA = [
  { medium: 'cd', firmware: 'bios', nicModel: 'e1000', memoryMb: SMALLEST_MEMORY_MB },
  { medium: 'usb-stick', firmware: 'bios', nicModel: 'rtl8139' },
  { medium: 'cd', firmware: 'uefi', nicModel: 'e1000e' },
  { medium: 'usb-stick', firmware: 'uefi', nicModel: 'vmxnet3' },
] as const;

const DISK_BYTES = 256 * 1024 * 1024;
const SMALL_DISK_BYTES = 4 * 1024 * 1024;
const COMMAND_TIMEOUT_MS = 240_000;
const BOOT_TIMEOUT_MS = 400_000;

for (const { medium, firmware, nicModel, ...memory } of MEDIA) {
  const words = 'memoryMb' in memory ? ` and ${memory.memoryMb} MB` : '';
  test(`a ${firmware} computer with a ${nicModel} card${words} boots from ${medium} and waits for the server`, async () => {
    await using session = openSession('boot-media');
    await withBootedClient(
      { name: `${medium}-${firmware}`, session, medium, firmware, nicModel, ...memory },
      async () => {},
    );
  });
}

test(`a computer with ${SMALLEST_MEMORY_MB} MB that is started from the network serves a whole disk`, async (context) => {
  await using session = openSession('boot-media');
  const disk = await workFile(session, 'smallest.raw');
  await fillRange(disk, { start: 0, size: DISK_BYTES }, { signal: undefined });
  const boot = {
    name: 'pxe-smallest',
    session,
    medium: 'pxe',
    memoryMb: SMALLEST_MEMORY_MB,
    kernelWords: ['diskferry.insecure'],
    disks: [{ path: disk, format: 'raw', bus: 'virtio' }],
    extraArguments: MEMORY_ARGUMENTS,
  } as const;
  await withBootedClient(boot, async ({ machine, diskAddress }) => {
    const copy = await workFile(session, 'smallest-copy.raw');
    const memory = await watchMemory(machine, async () => {
      await run(['nbdcopy', diskAddress('vda'), copy]);
    });
    assert.equal(await sha256Of(copy), await sha256Of(disk));
    assert.ok(memory !== undefined, 'the guest told how much memory it has');
    const used = memory.total - memory.leastAvailable;
    context.diagnostic(
      `peak memory with ${SMALLEST_MEMORY_MB} MB: ${formatBytes(used)} of ${formatBytes(memory.total)} used, ` +
        `${formatBytes(memory.leastAvailable)} available`,
    );
  });
});

test('an ISO that got an option after it was built starts with it', async () => {
  await using session = openSession('boot-media');
  const disk = await workFile(session, 'option.raw');
  await fillRange(disk, { start: 0, size: SMALL_DISK_BYTES }, { signal: undefined });
  const iso = await workFile(session, 'option.iso');
  const words = ['media', 'customize', artefact('diskferry.iso'), iso, '--option=diskferry.insecure'];
  await diskferry(words, { timeoutMs: COMMAND_TIMEOUT_MS });
  const boot = {
    name: 'cd-option',
    session,
    iso,
    // On a CD the words are not given by QEMU: this says only what to expect.
    kernelWords: ['diskferry.insecure'],
    disks: [{ path: disk, format: 'raw', bus: 'virtio' }],
  } as const;
  await withBootedClient(boot, async ({ diskAddress }) => {
    const { stdout } = await run(['nbdinfo', '--size', diskAddress('vda')]);
    assert.equal(Number(stdout), SMALL_DISK_BYTES);
  });
});

test('a damaged kernel is noticed by the boot loader, and said', async () => {
  await using session = openSession('boot-media');
  const kernel = await readFile(artefact('pxe/vmlinuz'));
  const cd = await alteredCopy(session, artefact('diskferry.iso'), 'damaged.iso', (bytes) =>
    turnBits(bytes, bytes.indexOf(kernel) + Math.floor(kernel.length / 2)),
  );
  const machine = { name: 'damaged-kernel', firmware: 'bios', cd } as const;
  await expectRefusal(session, machine, /kernel on this medium is damaged.*[^]*Write the medium again/);
});

/** Where an initrd is damaged, as a part of its length, and what is said then. The order is that of its parts. */
const DAMAGE = [
  { place: 'stage 1', at: 0.01, words: /Kernel panic|Initramfs unpacking failed/ },
  { place: 'an image', at: 0.03, words: /image \w+ is damaged[^]*write the medium again/ },
  { place: 'the largest image', at: 0.4, words: /image client is damaged[^]*write the medium again/ },
  { place: 'the last image', at: 0.95, words: /image drivers is damaged[^]*write the medium again/ },
] as const;

for (const { place, at, words } of DAMAGE) {
  test(`an initrd that is damaged in ${place} is noticed before it is used, and said`, async () => {
    await using session = openSession('boot-media');
    const initrd = await alteredCopy(session, artefact('pxe/initrd'), 'damaged.initrd', (bytes) =>
      turnBits(bytes, Math.floor(bytes.length * at)),
    );
    const kernel = artefact('pxe/vmlinuz');
    const name = `damaged-${place.replaceAll(' ', '-')}`;
    await expectRefusal(session, { name, firmware: 'bios', kernel, initrd, append: KERNEL_WORDS }, words);
  });
}

async function expectRefusal(
  session: Session,
  description: MachineDescription,
  words: RegExp,
): Promise<void> {
  await using machine = await startMachine(description, { session, logFolder: LOG_FOLDER });
  try {
    await machine.waitForSerial(words, { timeoutMs: BOOT_TIMEOUT_MS, hopeless: /waiting for the server/ });
  } catch (error) {
    await sitOn(machine, []);
    throw error;
  }
}
