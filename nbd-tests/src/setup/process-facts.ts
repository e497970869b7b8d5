import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const BYTES_PER_KB = 1024;

/** How many files and sockets a process has open. */
export function openFiles(pid: number | 'self' = 'self'): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** What a process has open, such as "socket:[4711]". */
export function openFileNames(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${descriptor}`)];
    } catch {
      // Closed in the meantime.
      return [];
    }
  });
}

/** The most memory that a process has had resident so far, in bytes. */
export function peakMemory(pid: number | 'self'): number {
  return statusField(pid, 'VmHWM');
}

/**
 * The most memory that a process has had so far without the pages of its files, such as its own executable, in bytes: the
 * kernel drops those when it needs their room, and has as many of them there as it likes until then.
 */
export function peakOwnMemory(pid: number): number {
  return peakMemory(pid) - statusField(pid, 'RssFile');
}

/** The memory that a process has resident now, in bytes. */
export function residentMemory(pid: number | 'self'): number {
  return statusField(pid, 'VmRSS');
}

function statusField(pid: number | 'self', name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`/proc/${pid}/status does not tell ${name}`);
  return Number(kilobytes) * BYTES_PER_KB;
}
