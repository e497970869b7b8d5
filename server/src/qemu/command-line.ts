import { DiskferryError } from '@diskferry/system/errors';
import type { Command } from '@diskferry/system/run';
import { diskArguments, escapeValue } from './disk-arguments.ts';
import type { FirmwareFiles } from './firmware.ts';
import type { BootDevice, MachineDescription } from './machine-description.ts';
import type { Overrides } from './overrides.ts';

const DEFAULT_MEMORY_MB = 512;
const DEFAULT_CPUS = 1;
/** Room in the numbering of boot devices; only the order of the numbers counts. */
const MOST_DISKS = 100;
const DEFAULT_BOOT_ORDER: readonly BootDevice[] = ['cd', 'usb-stick', 'disk'];

/** What a description lacks until the machine starts. */
export interface Surroundings {
  /** Unix sockets on which we listen and to which QEMU connects. */
  readonly serialSocket: string;
  readonly qmpSocket: string;
  readonly serialLog: string;
  /** For `uefi` and `uefi-secure-boot`. */
  readonly firmwareFiles: FirmwareFiles | undefined;
  /** The port on 127.0.0.1 of each forwarded port of the guest. */
  readonly hostPorts: ReadonlyMap<number, number>;
  readonly overrides: Overrides;
}

/** The command that starts a described machine, without display, with serial console and QMP on sockets. */
export function commandLine(machine: MachineDescription, around: Surroundings): Command {
  const { overrides } = around;
  const words = [
    ['-name', escapeValue(machine.name), '-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'std'],
    ['-machine', chipset(machine), ...accelerator(overrides)],
    ['-m', String(overrides.memoryMb ?? machine.memoryMb ?? DEFAULT_MEMORY_MB)],
    ['-smp', String(overrides.cpus ?? machine.cpus ?? DEFAULT_CPUS)],
    consoleArguments(around),
    firmwareArguments(machine, around.firmwareFiles),
    kernelArguments(machine),
    mediaArguments(machine),
    nicArguments(machine, around.hostPorts),
    machine.extraArguments ?? [],
    overrides.extraArguments,
  ];
  return ['qemu-system-x86_64', ...words.flat()];
}

/**
 * Only the older chipset has IDE channels, and only the newer one the mode of the processor in which firmware guards
 * the keys of Secure Boot.
 */
function chipset({ disks = [], firmware }: MachineDescription): string {
  const secure = firmware === 'uefi-secure-boot';
  if (!disks.some(({ bus }) => bus === 'ide')) return secure ? 'q35,smm=on' : 'q35';
  if (!secure) return 'pc';
  throw new DiskferryError('MACHINE_DESCRIPTION', 'a machine with Secure Boot has no IDE disks; take ahci');
}

/** Software emulation offers all processor features that it has, except 57-bit addresses, which slow it down. */
function accelerator({ accel }: Overrides): string[] {
  if (accel === undefined || accel === 'tcg') return ['-accel', 'tcg,thread=multi', '-cpu', 'max,la57=off'];
  return ['-accel', accel, '-cpu', 'host'];
}

function consoleArguments({ serialSocket, serialLog, qmpSocket }: Surroundings): string[] {
  const log = `logfile=${escapeValue(serialLog)},logappend=on`;
  return [
    ['-chardev', `socket,id=serial,path=${escapeValue(serialSocket)},${log}`, '-serial', 'chardev:serial'],
    ['-chardev', markOf(qmpSocket), '-mon', 'chardev=qmp,mode=control'],
  ].flat();
}

/** The word of the command line that no other process has: by it a clean-up finds the machine. */
export function markOf(qmpSocket: string): string {
  return `socket,id=qmp,path=${escapeValue(qmpSocket)}`;
}

function firmwareArguments({ firmware }: MachineDescription, files: FirmwareFiles | undefined): string[] {
  if (files === undefined) return [];
  const guard = ['-global', 'driver=cfi.pflash01,property=secure,value=on'];
  return [
    ...(firmware === 'uefi-secure-boot' ? guard : []),
    '-drive',
    `if=pflash,unit=0,format=raw,readonly=on,file=${escapeValue(files.code)}`,
    '-drive',
    `if=pflash,unit=1,format=raw,file=${escapeValue(files.variables)}`,
  ];
}

function kernelArguments({ kernel, initrd, append }: MachineDescription): string[] {
  return [
    ...(kernel === undefined ? [] : ['-kernel', kernel]),
    ...(initrd === undefined ? [] : ['-initrd', initrd]),
    ...(append === undefined ? [] : ['-append', append]),
  ];
}

function mediaArguments(machine: MachineDescription): string[] {
  const { cd, usbStick, disks = [] } = machine;
  const needsUsb = usbStick !== undefined || disks.some(({ bus }) => bus === 'usb');
  return [
    ...(needsUsb ? ['-device', 'qemu-xhci,id=usb'] : []),
    ...(cd === undefined ? [] : cdArguments(cd, bootIndex(machine, 'cd'))),
    ...(usbStick === undefined ? [] : stickArguments(usbStick, bootIndex(machine, 'usb-stick'))),
    ...diskArguments(disks, (place) => bootIndex(machine, 'disk', place)),
  ];
}

function cdArguments(path: string, index: number | undefined): string[] {
  const drive = `if=none,id=cd,media=cdrom,readonly=on,format=raw,file=${escapeValue(path)}`;
  return ['-drive', drive, '-device', `ide-cd,bus=ide.1,drive=cd${bootIndexProperty(index)}`];
}

function stickArguments(path: string, index: number | undefined): string[] {
  const drive = `if=none,id=stick,snapshot=on,format=raw,file=${escapeValue(path)}`;
  const device = `usb-storage,bus=usb.0,drive=stick,removable=on${bootIndexProperty(index)}`;
  return ['-drive', drive, '-device', device];
}

/** Without the option ROM a network card cannot boot, and the firmware loses no time with trying. */
function nicArguments(machine: MachineDescription, hostPorts: ReadonlyMap<number, number>): string[] {
  const { nic } = machine;
  if (nic === undefined) return [];
  const forwards = nic.forwardedPorts.map((port) => `,hostfwd=tcp:127.0.0.1:${hostPorts.get(port)}-:${port}`);
  const index = bootIndex(machine, 'network');
  const boot = index === undefined ? ',romfile=' : bootIndexProperty(index);
  return ['-netdev', `user,id=net${forwards.join('')}`, '-device', `${nic.model},netdev=net${boot}`];
}

/** The place in the order of the firmware; disks come in their own order. */
function bootIndex(machine: MachineDescription, device: BootDevice, place = 0): number | undefined {
  const order = machine.bootOrder ?? DEFAULT_BOOT_ORDER;
  const index = order.indexOf(device);
  return index < 0 ? undefined : index * MOST_DISKS + place;
}

function bootIndexProperty(index: number | undefined): string {
  return index === undefined ? '' : `,bootindex=${index}`;
}
