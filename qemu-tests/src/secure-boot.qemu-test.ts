import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { startMachine } from '@diskferry/server/qemu/machine';
import type { MachineFirmware } from '@diskferry/server/qemu/machine-description';
import { openSession, type Session } from '@diskferry/system/session';
import { alteredCopy } from './altered-file.ts';
import { artefact, LOG_FOLDER } from './artefacts.ts';
import { withBootedClient } from './booted-client.ts';
import { sitOn } from './sit.ts';

/** On UEFI the signed GRUB takes the kernel's memory twice: ADR 25 has the figures. */
const MEMORY_MB = 384;
const BOOT_TIMEOUT_MS = 400_000;
/** Places in a PE file: "PE Format" of Microsoft. */
const PE_HEADER_POINTER_AT = 0x3c;
const DIRECTORIES_AT_64_BIT = 24 + 112;
const CERTIFICATE_DIRECTORY = 4;
const DIRECTORY_BYTES = 8;

for (const medium of ['cd', 'usb-stick'] as const) {
  test(`a computer that enforces Secure Boot starts from ${medium}`, async () => {
    await using session = openSession('secure-boot');
    const firmware = 'uefi-secure-boot';
    await withBootedClient(
      { name: `secure-boot-${medium}`, session, medium, firmware, nicModel: 'e1000e' },
      async () => {},
    );
  });
}

test('a computer that enforces Secure Boot starts from the network by TFTP', async () => {
  await using session = openSession('secure-boot');
  const folder = dirname(artefact('pxe/vmlinuz'));
  // The firmware's own driver: the option ROM's tells shim a wrong length of GRUB.
  const card = 'virtio-net-pci,netdev=boot,romfile=,bootindex=0';
  const extraArguments = ['-netdev', `user,id=boot,tftp=${folder},bootfile=shimx64.efi`, '-device', card];
  const description = { name: 'secure-boot-network', firmware: 'uefi-secure-boot', extraArguments } as const;
  await using machine = await startMachine(description, { session, logFolder: LOG_FOLDER });
  try {
    await machine.waitForSerial(/^waiting for the server$/m, { timeoutMs: BOOT_TIMEOUT_MS });
  } catch (error) {
    await sitOn(machine, []);
    throw error;
  }
});

test('a computer that enforces Secure Boot does not start a kernel without signature', async () => {
  await using session = openSession('secure-boot');
  const iso = await unsignedIso(session);
  await expectRefusal(session, 'uefi-secure-boot', iso, /Secure Boot takes it only with Debian's signature/);
});

test('without Secure Boot a kernel that was changed is not started either', async () => {
  await using session = openSession('secure-boot');
  const iso = await unsignedIso(session);
  await expectRefusal(session, 'uefi', iso, /kernel on this medium is damaged or was changed/);
});

/** The same medium, but its kernel says that it has no signature. */
async function unsignedIso(session: Session): Promise<string> {
  const kernel = await readFile(artefact('pxe/vmlinuz'));
  return alteredCopy(session, artefact('diskferry.iso'), 'unsigned.iso', (bytes) => {
    const at = bytes.indexOf(kernel);
    assert.ok(at >= 0, 'the kernel lies on the medium in one piece');
    const header = at + kernel.readUInt32LE(PE_HEADER_POINTER_AT);
    const directory = header + DIRECTORIES_AT_64_BIT + CERTIFICATE_DIRECTORY * DIRECTORY_BYTES;
    assert.notEqual(bytes.readUInt32LE(directory), 0, 'the kernel has a signature');
    bytes.fill(0, directory, directory + DIRECTORY_BYTES);
  });
}

async function expectRefusal(
  session: Session,
  firmware: MachineFirmware,
  iso: string,
  words: RegExp,
): Promise<void> {
  const description = { name: `unsigned-${firmware}`, firmware, cd: iso, memoryMb: MEMORY_MB };
  await using machine = await startMachine(description, { session, logFolder: LOG_FOLDER });
  try {
    await machine.waitForSerial(words, { timeoutMs: BOOT_TIMEOUT_MS, hopeless: /waiting for the server/ });
  } catch (error) {
    await sitOn(machine, []);
    throw error;
  }
}
