const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const;
const STEP = 1000;

/** Bytes for people, in powers of 1000 as disk makers count: 512 B, 4.1 KB, 8.0 GB. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= STEP && unit < UNITS.length - 1) {
    value /= STEP;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A duration for people: 8 s, 3 min 05 s, 2 h 10 min. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

const FACTORS: Readonly<Record<string, number>> = Object.fromEntries(
  ['K', 'M', 'G', 'T', 'P'].flatMap((letter, index) => [
    [letter, 1024 ** (index + 1)],
    [`${letter}IB`, 1024 ** (index + 1)],
    [`${letter}B`, 1000 ** (index + 1)],
  ]),
);

/**
 * Reads a size as the tools of this field take it: bytes, or with a unit, where 30G and 30GiB count in powers of 1024
 * and 30GB in powers of 1000.
 *
 * @returns bytes, or undefined for anything else
 */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTP](?:i?B)?|B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const factor = FACTORS[(match[2] ?? '').toUpperCase()] ?? 1;
  const bytes = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}
