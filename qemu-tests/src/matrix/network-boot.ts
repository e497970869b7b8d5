import { dirname } from 'node:path';
import type { Inventory } from '@diskferry/protocol/inventory';
import { openNamespace } from '@diskferry/server/pxe/testing/net-namespace';
import { makePxeFolders, startPxe } from '@diskferry/server/pxe/testing/pxe-process';
import { openWire, startForeignDhcp } from '@diskferry/server/pxe/testing/test-wire';
import { freePort } from '@diskferry/server/qemu/free-port';
import { type Machine, startMachine } from '@diskferry/server/qemu/machine';
import type { MachineDescription } from '@diskferry/server/qemu/machine-description';
import { openSession, type Session } from '@diskferry/system/session';
import { artefact, LOG_FOLDER } from '../artefacts.ts';
import { startNetworkMachine } from '../pxe-machine.ts';
import { sitOn } from '../sit.ts';
import { startHttpBoot } from './http-boot-server.ts';

const CONTROL_PORT = 7001;
const DISK_PORT = 7000;
const MAC = '52:54:00:cc:00:01';
/** Some minutes where firmware loads 45 MB by TFTP, block by block. */
const STANDBY_MS = 600_000;
const STANDBY = /^waiting for the server$/m;
const HOPELESS = /Kernel panic - not syncing.*\n|error: out of memory|No bootable option or device was found/;
const PAIRING_CODE = /^Pairing code: (\S+)$/m;
const ADDRESS = /^ {2}eth0 .*link up +(\S+)/m;
const SHORT_MS = 10_000;
/** On UEFI whatever loads the initrd holds it twice for a moment; of an ISO over HTTP the firmware holds all of it besides. */
const MEMORY_MB = { bios: 256, uefi: 512, 'uefi-secure-boot': 512 } as const;

export interface NetworkBoot extends Pick<MachineDescription, 'name' | 'firmware' | 'disks'> {
  readonly medium: 'pxe' | 'http';
  readonly session: Session;
  readonly signal: AbortSignal | undefined;
}

/** Runs `diskferry inventory` with these words; `before` are words that run it in another network. */
export type AskInventory = (words: readonly string[], before?: readonly string[]) => Promise<Inventory>;

/** Starts a computer from the network, and asks it what it is made of. */
export async function bootFromNetwork(boot: NetworkBoot, ask: AskInventory): Promise<Inventory> {
  if (boot.firmware === 'uefi-secure-boot' && boot.medium === 'pxe') return bootByTftp(boot, ask);
  return bootOnWire(boot, ask);
}

/** From a folder that anything serves by TFTP: here QEMU itself. */
async function bootByTftp(
  { name, firmware, disks = [], session, signal }: NetworkBoot,
  ask: AskInventory,
): Promise<Inventory> {
  const [diskPort, controlPort] = [await freePort(), await freePort()];
  const forwards = [
    `tcp:127.0.0.1:${diskPort}-:${DISK_PORT}`,
    `tcp:127.0.0.1:${controlPort}-:${CONTROL_PORT}`,
  ];
  const network = [
    'user,id=boot',
    `tftp=${dirname(artefact('pxe/vmlinuz'))}`,
    'bootfile=shimx64.efi',
    ...forwards.map((forward) => `hostfwd=${forward}`),
  ];
  // The firmware's own driver: QEMU's option ROMs are iPXE, which tells shim a wrong length of GRUB.
  const card = 'virtio-net-pci,netdev=boot,romfile=,bootindex=0';
  const extraArguments = ['-netdev', network.join(','), '-device', card];
  const description = { name, firmware, disks, memoryMb: MEMORY_MB[firmware], extraArguments };
  await using machine = await startMachine(description, { session, signal, logFolder: LOG_FOLDER });
  return await atStandby(machine, signal, async ({ code }) =>
    ask([`--pair=${code}`, `--control-port=${controlPort}`, `127.0.0.1:${diskPort}`]),
  );
}

/**
 * On a wire with a DHCP server of others and with `diskferry pxe serve`; or, with Secure Boot over HTTP, with a server that names our
 * ISO: Debian's signed GRUB cannot load anything over HTTP by itself, but finds everything in an ISO that the firmware has loaded.
 */
async function bootOnWire(boot: NetworkBoot, ask: AskInventory): Promise<Inventory> {
  const { name, firmware, disks = [], medium, signal } = boot;
  // Of its own: this wire has to go before the next one comes.
  await using session = openSession('matrix-wire');
  using folders = makePxeFolders();
  const wire = await openWire(session, 'the wire');
  const server = await openNamespace(session, 'server');
  await wire.plug(server, 'eth0', '10.77.0.3/24');
  if (firmware === 'uefi-secure-boot') {
    await startHttpBoot({ session, server, file: artefact('diskferry.iso') });
  } else {
    await startForeignDhcp(session, wire, '');
    const files = dirname(artefact('pxe/vmlinuz'));
    const pxe = await startPxe(session, { ...folders, files }, server, ['--interface', 'eth0']);
    await pxe.decide('allow', MAC);
  }
  const network = { wire: wire.namespace, mac: MAC, httpBoot: medium === 'http' };
  await using machine = await startNetworkMachine({
    ...network,
    name,
    firmware,
    disks,
    session,
    memoryMb: MEMORY_MB[firmware],
  });
  return await atStandby(machine, signal, async ({ code, address }) =>
    ask([`--pair=${code}`, address], server.enter),
  );
}

/** What a computer in standby shows on its screen. */
interface Shown {
  readonly code: string;
  readonly address: string;
}

async function atStandby(
  machine: Machine,
  signal: AbortSignal | undefined,
  work: (shown: Shown) => Promise<Inventory>,
): Promise<Inventory> {
  try {
    await machine.waitForSerial(STANDBY, { timeoutMs: STANDBY_MS, signal, hopeless: HOPELESS });
    const shown = async (pattern: RegExp): Promise<string> =>
      (await machine.waitForSerial(pattern, { timeoutMs: SHORT_MS, signal })).match[1] ?? '';
    return await work({ code: await shown(PAIRING_CODE), address: await shown(ADDRESS) });
  } catch (error) {
    await sitOn(machine, []);
    throw error;
  }
}
