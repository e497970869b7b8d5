const UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB'] as const;
const STEP = 1000;

/** Bytes for people, in powers of 1000 as disk makers count: 500.1 GB. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= STEP && unit < UNITS.length - 1) {
    value /= STEP;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
