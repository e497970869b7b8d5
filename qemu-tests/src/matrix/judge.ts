import type { DiskInfo, NicInfo } from '@diskferry/protocol/inventory';
import type { CellResult, DriverSource } from './cell-result.ts';
import type { DriverBoot, PluggedModel } from './driver-boot.ts';
import type { GuestDevice, GuestDrivers } from './guest-drivers.ts';

/** What a started machine shows. */
export interface Sight {
  readonly nics: readonly NicInfo[];
  readonly disks: readonly DiskInfo[];
  readonly drivers: GuestDrivers;
  /** The names by which the kernel looks for drivers, by the id of the device. */
  readonly identities: ReadonlyMap<string, string>;
}

/** Modules that stand between a disk's or a card's own driver and the computer, and tell nothing of the model. */
const GENERAL_MODULES = new Set(['libnvdimm', 'mmc_block', 'sd_mod', 'usbcore', 'virtio_mmio', 'virtio_pci']);

type Knowledge = Pick<DriverBoot, 'media' | 'aliases'>;

/** Whether a card has an address of its own network, or the disk of a controller is there with its size. */
export function judge(plugged: PluggedModel, sight: Sight, known: Knowledge): CellResult {
  const { subject } = plugged.model;
  const { complaint, name } = subject === 'network' ? judgeNic(plugged, sight) : judgeDisk(plugged, sight);
  const device = deviceOf(name, sight.drivers);
  const drivers = device === undefined ? {} : driversOf(device, known);
  if (complaint === undefined) return { state: 'passed', ...drivers };
  const firmware = sight.drivers.missingFirmware.find((missing) => missing.device === device?.pciAddress);
  if (firmware !== undefined) {
    return { state: 'needs-firmware', ...drivers, reason: `wants the firmware file ${firmware.file}` };
  }
  const identity = sight.identities.get(`c-${plugged.id}`);
  if (device === undefined && identity !== undefined && known.aliases?.(identity).length === 0) {
    return { state: 'no-driver', reason: `no module of the kernel package claims ${identity}` };
  }
  return { state: 'failed', ...drivers, reason: complaint };
}

interface Finding {
  /** The kernel's name of the card or the disk. */
  readonly name?: string;
  readonly complaint?: string;
}

function judgeNic({ mac, network }: PluggedModel, { nics }: Sight): Finding {
  const nic = nics.find((other) => other.mac === mac);
  if (nic === undefined) return { complaint: 'the card is not shown' };
  const { name } = nic;
  if (nic.addresses.some((address) => address.startsWith(network))) return { name };
  const link = nic.linkUp ? 'a link' : 'no link';
  return { name, complaint: `${name} has ${link} and no address` };
}

function judgeDisk({ diskBytes, id }: PluggedModel, { disks, drivers }: Sight): Finding {
  const disk = disks.find(({ size }) => size === diskBytes);
  if (disk !== undefined) return { name: disk.name };
  return {
    complaint: `no disk of ${diskBytes} bytes is shown for ${id}; there are: ${describe(disks, drivers)}`,
  };
}

/** A disk that several NVMe controllers may share hangs below none of them; each has a path to it, such as nvme0c1n1. */
function deviceOf(name: string | undefined, { devices }: GuestDrivers): GuestDevice | undefined {
  const device = devices.find((other) => other.name === name);
  const shared = /^(?<subsystem>nvme\d+)(?<number>n\d+)$/.exec(name ?? '')?.groups;
  if (device === undefined || device.modules.length > 0 || shared === undefined) return device;
  const path = new RegExp(`^${shared['subsystem']}c\\d+${shared['number']}$`);
  return devices.find((other) => path.test(other.name));
}

function describe(disks: readonly DiskInfo[], { devices }: GuestDrivers): string {
  return disks
    .map(({ name, size }) => {
      const modules = devices.find((device) => device.name === name)?.modules.join(' ') ?? 'no driver';
      return `${name} ${size} (${modules})`;
    })
    .join(', ');
}

function driversOf({ modules }: GuestDevice, { media }: Knowledge): Pick<CellResult, 'modules' | 'source'> {
  const special = modules.filter((module) => !GENERAL_MODULES.has(module));
  const telling = special.length > 0 ? special : modules;
  return { modules: telling, source: sourceOf(modules, media.modules) };
}

function sourceOf(modules: readonly string[], inInitrd: ReadonlySet<string>): DriverSource {
  if (modules.length === 0) return 'kernel';
  return modules.every((module) => inInitrd.has(module)) ? 'first initrd' : 'extra drivers';
}
