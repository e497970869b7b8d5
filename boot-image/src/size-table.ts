import { formatBytes } from '@diskferry/system/units';

/** A part of the boot image and its size. */
export interface PartSize {
  readonly name: string;
  readonly bytes: number;
  /** Size before compression, where it was compressed. */
  readonly unpackedBytes?: number;
}

/** A table for people. */
export function formatSizes(parts: readonly PartSize[]): string {
  const width = Math.max(...parts.map(({ name }) => name.length));
  const lines = parts.map(({ name, bytes, unpackedBytes }) => {
    const unpacked = unpackedBytes === undefined ? '' : `  (${formatBytes(unpackedBytes)} unpacked)`;
    return `${name.padEnd(width)}  ${formatBytes(bytes).padStart(9)}${unpacked}`;
  });
  return lines.join('\n');
}
