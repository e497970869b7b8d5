import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { debuglog } from 'node:util';
import type { DiskInfo } from '@diskferry/protocol/inventory';
import { listFolder, readAttribute, readFlag, readNumber, resolveLink } from '../sysfs.ts';
import { reasonToSkip } from './exclusions.ts';
import { identityOf } from './identity.ts';
import type { LocalDisk } from './local-disk.ts';
import { transportOf } from './transport.ts';

const debug = debuglog('diskferry:disks');

/** sysfs counts `size` in these units, whatever the disk's sectors are (Documentation/ABI/stable/sysfs-block). */
const SYSFS_SIZE_UNIT = 512;
const DEFAULT_SECTOR_SIZE = 512;

/** The disks of this computer in the order of their names; see exclusions.ts for what is left out. */
export function listBlockDevices(sysRoot = '/sys'): LocalDisk[] {
  return listFolder(`${sysRoot}/block`)
    .filter((name) => {
      const reason = reasonToSkip(`${sysRoot}/block/${name}`, name);
      if (reason !== undefined) debug('%s is not served: %s', name, reason);
      return reason === undefined;
    })
    .map((name) => describeBlockDevice(`${sysRoot}/block/${name}`))
    .filter((disk) => disk !== undefined)
    .toSorted((a, b) => compareNames(a.info.name, b.info.name));
}

/**
 * Any one block device: a disk, a partition or a loop device.
 *
 * @param number the device's numbers as sysfs writes them, such as "8:0"
 */
export function findBlockDevice(number: string, sysRoot = '/sys'): LocalDisk | undefined {
  return describeBlockDevice(`${sysRoot}/dev/block/${number}`);
}

function describeBlockDevice(folder: string): LocalDisk | undefined {
  const devicePath = resolveLink(folder);
  const size = readNumber(folder, 'size');
  // It was unplugged since the folder was listed.
  if (devicePath === undefined || size === undefined) return undefined;
  const wholeDisk = existsSync(`${devicePath}/partition`) ? dirname(devicePath) : devicePath;
  const sysfsName = basename(devicePath);
  // sysfs writes ! for the slash of names such as /dev/cciss/c0d0.
  const name = sysfsName.replaceAll('!', '/');
  const rotational = readFlag(wholeDisk, 'queue/rotational');
  return {
    info: {
      name,
      size: size * SYSFS_SIZE_UNIT,
      sectorSize: sectorSizeOf(wholeDisk),
      ...identityOf(wholeDisk, wholeDisk),
      transport: transportOf(sysfsName, wholeDisk),
      removable: readFlag(wholeDisk, 'removable') ?? false,
      readOnly: readFlag(folder, 'ro') ?? false,
      ...(rotational === undefined ? {} : { rotational }),
    },
    path: `/dev/${name}`,
    kind: 'block-device',
    generation: readAttribute(wholeDisk, 'diskseq') ?? readAttribute(folder, 'dev') ?? '',
  };
}

function sectorSizeOf(wholeDisk: string): DiskInfo['sectorSize'] {
  const logical = readNumber(wholeDisk, 'queue/logical_block_size') ?? DEFAULT_SECTOR_SIZE;
  return { logical, physical: readNumber(wholeDisk, 'queue/physical_block_size') ?? logical };
}

/** sda, sdb, …, sdz, sdaa; nvme0n1, nvme2n1, nvme10n1; each driver's disks together. */
function compareNames(a: string, b: string): number {
  return (
    compareText(driverPart(a), driverPart(b)) ||
    (/\d/.test(a) ? a.localeCompare(b, 'en', { numeric: true }) : a.length - b.length || compareText(a, b))
  );
}

function driverPart(name: string): string {
  return /^(sd|vd|xvd|hd)/.exec(name)?.[0] ?? name.replace(/\d.*$/, '');
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
