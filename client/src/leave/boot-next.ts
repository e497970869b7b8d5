import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listFolder, readFlag, readNumber } from '../sysfs.ts';
import { type LoadOption, NODE_TYPES, parseLoadOption, type PartitionPlace } from './load-option.ts';

/** EFI_GLOBAL_VARIABLE; efivarfs calls its files NAME-GUID. */
const GLOBAL_VARIABLE = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
/** Each file begins with the variable's attributes: kept over a reset, seen by firmware and systems. */
const ATTRIBUTES_BYTES = 4;
const ATTRIBUTES = 7;
/** sysfs counts in these, whatever the disk's own blocks are. */
const SYSFS_SECTOR = 512;
/** Messaging nodes of USB, MAC, IPv4, IPv6, USB class, USB WWID, URI, Wi-Fi, Bluetooth. */
const NOT_A_FIXED_DISK = new Set([5, 11, 12, 13, 15, 16, 24, 27, 28, 29, 30]);
const CD = /\b(cd|dvd|optical)\b|cd-?rom|dvd-?rom/i;

/** A line of the firmware's boot menu. */
export interface BootEntry {
  /** #### of Boot####. */
  readonly number: number;
  readonly option: LoadOption;
}

/**
 * Has the firmware start from a disk of the computer next time, once. Returns the line of its menu that leads there; undefined
 * where there is none, or no UEFI: then the firmware goes by its own order.
 *
 * @throws {Error} when the firmware refuses
 */
export function setBootNext(root = '/'): BootEntry | undefined {
  const folder = join(root, 'sys/firmware/efi/efivars');
  const read = (name: string): Buffer | undefined => readVariable(folder, name);
  const numbers = readNumbers(read('BootOrder'));
  const [current] = readNumbers(read('BootCurrent'));
  const entries = numbers.flatMap((number) => {
    const option = parseLoadOption(read(`Boot${hex(number)}`) ?? Buffer.alloc(0));
    return option === undefined ? [] : [{ number, option }];
  });
  const entry = chooseDiskEntry(entries, current, readPartitions(join(root, 'sys/block')));
  if (entry === undefined) return undefined;
  const value = Buffer.alloc(ATTRIBUTES_BYTES + 2);
  value.writeUInt32LE(ATTRIBUTES);
  value.writeUInt16LE(entry.number, ATTRIBUTES_BYTES);
  // In one write: each is a call of the firmware.
  writeFileSync(join(folder, `BootNext-${GLOBAL_VARIABLE}`), value);
  return entry;
}

/** The first line that leads into a partition that is there, else the first that leads to a whole disk. */
export function chooseDiskEntry(
  entries: readonly BootEntry[],
  current: number | undefined,
  partitions: readonly PartitionPlace[],
): BootEntry | undefined {
  const own = entries.find(({ number }) => number === current)?.option.partition;
  const others = entries.filter(
    ({ number, option }) =>
      number !== current && option.isActive && !(own !== undefined && isSame(own, option.partition)),
  );
  return (
    others.find(({ option }) => partitions.some((place) => isSame(place, option.partition))) ??
    others.find(({ option }) => isWholeDisk(option))
  );
}

function isSame(a: PartitionPlace, b: PartitionPlace | undefined): boolean {
  return a.number === b?.number && a.start === b.start && a.blocks === b.blocks;
}

/** What firmware adds of itself for each disk, without a partition: it takes the loader with the standard name there. */
function isWholeDisk({ path, description }: LoadOption): boolean {
  return (
    path.length > 0 &&
    !CD.test(description) &&
    path.every(({ type, subtype }) => {
      if (type === NODE_TYPES.messaging) return !NOT_A_FIXED_DISK.has(subtype);
      return type === NODE_TYPES.hardware || type === NODE_TYPES.acpi;
    })
  );
}

/** The partitions of disks that nobody can take out, as the kernel knows them. */
function readPartitions(folder: string): PartitionPlace[] {
  return listFolder(folder)
    .filter((disk) => readFlag(join(folder, disk), 'removable') !== true)
    .flatMap((disk) => {
      const blockSize = readNumber(join(folder, disk), 'queue/logical_block_size') ?? SYSFS_SECTOR;
      const toBlocks = (sectors = 0): number => (sectors * SYSFS_SECTOR) / blockSize;
      return listFolder(join(folder, disk)).flatMap((name) => {
        const path = join(folder, disk, name);
        const number = readNumber(path, 'partition');
        if (number === undefined) return [];
        const [start, blocks] = [toBlocks(readNumber(path, 'start')), toBlocks(readNumber(path, 'size'))];
        return [{ number, start, blocks }];
      });
    });
}

function readVariable(folder: string, name: string): Buffer | undefined {
  try {
    return readFileSync(join(folder, `${name}-${GLOBAL_VARIABLE}`)).subarray(ATTRIBUTES_BYTES);
  } catch {
    return undefined;
  }
}

function readNumbers(bytes: Buffer = Buffer.alloc(0)): number[] {
  return Array.from({ length: Math.floor(bytes.length / 2) }, (_, index) => bytes.readUInt16LE(index * 2));
}

function hex(number: number): string {
  return number.toString(16).toUpperCase().padStart(4, '0');
}
