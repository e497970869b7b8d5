import { createHash } from 'node:crypto';
import { readAttribute } from '../sysfs.ts';
import type { LocalDisk } from './local-disk.ts';

/**
 * The disk's name in the protocol's metadata context, hexadecimal: equal to an earlier one only if it is the same disk
 * in a computer that has run all the time since, so that what was written and not flushed is still on its way. It tells
 * nothing of the disk to whoever does not know it anyway.
 */
export function wireIdentity({ info, generation }: LocalDisk, bootId = readBootId()): string {
  const { name, size, serial = null, wwn = null } = info;
  return createHash('sha256')
    .update(JSON.stringify([bootId, name, generation, size, serial, wwn]))
    .digest('hex');
}

/** Drawn by the kernel when it starts. */
function readBootId(): string {
  return readAttribute('/proc/sys/kernel/random', 'boot_id') ?? '';
}
