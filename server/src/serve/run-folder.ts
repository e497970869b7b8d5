import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Longer names, of files that serve as disks, are cut and told apart by a digest. */
const MAX_DISK_NAME = 40;
const DIGEST_DIGITS = 8;

/** Sockets of a running server; in memory, so that a restart of the machine forgets them. */
export function runFolder(): string {
  return process.env['DISKFERRY_RUN'] ?? '/run/diskferry';
}

/** The local interface of a running `diskferry serve`. */
export function interfacePath(folder = runFolder()): string {
  return join(folder, 'serve.sock');
}

/** The folder of all computers' folders. */
export function computersFolder(folder = runFolder()): string {
  return join(folder, 'computers');
}

/** The name of a disk as that of a file. */
export function diskFileName(disk: string): string {
  const name = encodeURIComponent(disk).replaceAll('.', (dot, offset) => (offset === 0 ? '%2E' : dot));
  if (name.length <= MAX_DISK_NAME) return name;
  const digest = createHash('sha256').update(disk).digest('hex').slice(0, DIGEST_DIGITS);
  return `${name.slice(0, MAX_DISK_NAME)}~${digest}`;
}
