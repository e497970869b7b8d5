import { readdirSync, readFileSync, realpathSync } from 'node:fs';

/**
 * One attribute of sysfs as text, or undefined where it is absent, empty or cannot be read: attributes differ
 * between drivers and kernels, and a device may vanish between two reads. Read synchronously, because sysfs is
 * memory and the thread pool belongs to the disks.
 */
export function readAttribute(folder: string, name: string): string | undefined {
  try {
    return printable(readFileSync(`${folder}/${name}`));
  } catch {
    return undefined;
  }
}

/** An attribute that is a decimal number. */
export function readNumber(folder: string, name: string): number | undefined {
  const text = readAttribute(folder, name);
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** An attribute that is 0 or 1. */
export function readFlag(folder: string, name: string): boolean | undefined {
  const number = readNumber(folder, name);
  return number === undefined ? undefined : number !== 0;
}

/** The entries of a folder, or none where there is no such folder. */
export function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The path without symbolic links, which in sysfs tells the bus; undefined where there is no such path. */
export function resolveLink(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Firmware and devices give these bytes and people see them on a terminal: only printable characters pass. */
export function printable(bytes: Buffer | string): string | undefined {
  const text = bytes
    .toString('utf8')
    .replaceAll(/[^\P{C}\n\t]/gu, '')
    .replaceAll('\uFFFD', '')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return text === '' ? undefined : text;
}
