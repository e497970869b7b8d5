import { KERNEL_WORDS } from '@diskferry/system/medium/kernel-words';
import { type Machine, startMachine } from '@diskferry/server/qemu/machine';
import type {
  MachineDescription,
  MachineDisk,
  MachineFirmware,
  MachineNic,
} from '@diskferry/server/qemu/machine-description';
import type { Session } from '@diskferry/system/session';
import { artefact, LOG_FOLDER } from './artefacts.ts';
import { sitOn } from './sit.ts';
import { EMULATION_WORD } from './source-computers/emulation.ts';

/** What we advise at least; on UEFI the signed GRUB needs more (ADR 25). */
const MEMORY_MB = { bios: 256, uefi: 384, 'uefi-secure-boot': 384 } as const;
const DISK_PORT = 7000;
const CONTROL_PORT = 7001;
const PORTS = [DISK_PORT, CONTROL_PORT];
/** Some 10 to 20 s on an idle machine. */
const BOOT_TIMEOUT_MS = 240_000;
/** The screen says so only when there is a network address. */
const READY = /^waiting for the server$/m;
/** The same on a screen with a disk: on a busy machine the driver of a disk may find it after the first screen. */
const READY_WITH_DISK = /^Disks \(.*\):\n {2}(?!no disk).*\n(?:.*\n)*?waiting for the server$/m;
/** Letters and digits on the screen of a client that pairs. */
const PAIRING_CODE = /^Pairing code: (\S+)$/m;
const SHORT_MS = 5_000;
const INSECURE = 'diskferry.insecure';
const HOPELESS = /error: out of memory|Kernel panic - not syncing.*\n|No bootable device/;

export interface ClientBoot {
  /** Names the machine and its serial log. */
  readonly name: string;
  readonly session: Session;
  /** `pxe` gives the kernel and the initrd as a network boot would. */
  readonly medium?: 'cd' | 'usb-stick' | 'pxe';
  /** An initrd in place of the one that was built, with settings of a server that it dials; `pxe` only. */
  readonly managedInitrd?: string;
  /** Whether the medium names a server, so that there is nobody to pair with; so it is with `managedInitrd`. */
  readonly dials?: boolean;
  /** Added to the kernel's command line; `pxe` only. */
  readonly kernelWords?: readonly string[];
  readonly firmware?: MachineFirmware;
  /** What we advise at least, by default. */
  readonly memoryMb?: number;
  /** An ISO file in place of the one that was built; not `pxe`. */
  readonly iso?: string;
  readonly disks?: readonly MachineDisk[];
  readonly nicModel?: MachineNic['model'];
  /** A TCP port of the computer's own system that this host shall reach, too. */
  readonly ownPort?: number;
  /** Further words for QEMU's command line. */
  readonly extraArguments?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface BootedClient {
  readonly machine: Machine;
  readonly host: '127.0.0.1';
  readonly diskPort: number;
  readonly controlPort: number;
  /** The address of one of its disks, such as "sda". */
  readonly diskAddress: (exportName: string) => string;
  /** Options with which `diskferry` connects to it: it pairs, or was started without encryption. */
  readonly connectionWords: readonly string[];
  /** Waits until it waits for the server after another start, and returns the options to connect to it then. */
  readonly startedAgain: (from: number) => Promise<readonly string[]>;
}

/**
 * Boots a computer into our secondary OS, waits until it waits for the server, and works with it. The machine is
 * ended afterwards; after a failure the path of its log is printed, and it stays up if that was asked for.
 */
export async function withBootedClient<T>(
  boot: ClientBoot,
  work: (client: BootedClient) => Promise<T>,
): Promise<T> {
  const { session, signal } = boot;
  await using machine = await startMachine(describeMachine(boot), { session, signal, logFolder: LOG_FOLDER });
  try {
    const startedAgain = async (from: number): Promise<readonly string[]> => {
      const ready = boot.disks === undefined || boot.disks.length === 0 ? READY : READY_WITH_DISK;
      await machine.waitForSerial(ready, { timeoutMs: BOOT_TIMEOUT_MS, signal, hopeless: HOPELESS, from });
      const control = `--control-port=${machine.hostPort(CONTROL_PORT)}`;
      return [...(await securityWords(machine, boot, from)), control];
    };
    const connectionWords = await startedAgain(0);
    const diskPort = machine.hostPort(DISK_PORT);
    return await work({
      machine,
      host: '127.0.0.1',
      diskPort,
      controlPort: machine.hostPort(CONTROL_PORT),
      diskAddress: (exportName) => `nbd://127.0.0.1:${diskPort}/${exportName}`,
      connectionWords,
      startedAgain,
    });
  } catch (error) {
    await sitOn(machine, PORTS);
    throw error;
  }
}

async function securityWords(
  machine: Machine,
  { kernelWords = [], managedInitrd, dials = managedInitrd !== undefined }: ClientBoot,
  from: number,
): Promise<string[]> {
  if (dials) return [];
  if (kernelWords.includes(INSECURE)) return ['--insecure'];
  const { match } = await machine.waitForSerial(PAIRING_CODE, { timeoutMs: SHORT_MS, from });
  return [`--pair=${match[1]}`];
}

function describeMachine({
  name,
  medium = 'cd',
  firmware = 'bios',
  disks = [],
  nicModel = 'virtio-net-pci',
  ownPort,
  kernelWords = [],
  managedInitrd,
  memoryMb = MEMORY_MB[firmware],
  extraArguments = [],
  iso = artefact('diskferry.iso'),
}: ClientBoot): MachineDescription {
  return {
    name,
    firmware,
    memoryMb,
    extraArguments,
    disks,
    nic: { model: nicModel, forwardedPorts: ownPort === undefined ? PORTS : [...PORTS, ownPort] },
    bootOrder: [medium === 'usb-stick' ? 'usb-stick' : 'cd', 'disk'],
    ...mediumOf(medium, { kernelWords, managedInitrd, iso }),
  };
}

interface MediumFiles {
  readonly kernelWords: readonly string[];
  readonly managedInitrd: string | undefined;
  readonly iso: string;
}

function mediumOf(
  medium: 'cd' | 'usb-stick' | 'pxe',
  { kernelWords, managedInitrd, iso }: MediumFiles,
): Partial<MachineDescription> {
  switch (medium) {
    case 'cd':
      return { cd: iso };
    case 'usb-stick':
      return { usbStick: iso };
    case 'pxe':
      return {
        kernel: artefact('pxe/vmlinuz'),
        initrd: managedInitrd ?? artefact('pxe/initrd'),
        append: [KERNEL_WORDS, EMULATION_WORD, ...kernelWords].join(' '),
      };
  }
}
