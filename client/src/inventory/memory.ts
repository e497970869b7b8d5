const BYTES_PER_KIB = 1024;

/** Memory that the kernel uses, in bytes, from the text of /proc/meminfo; 0 where it does not say. */
export function parseMemoryBytes(meminfo: string): number {
  const kib = /^MemTotal:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? 0 : Number(kib) * BYTES_PER_KIB;
}
