/** The unit in which zeros are looked for, in bytes: what qcow2 allocates at once, so that less would save no space. */
export const ZERO_UNIT_BYTES = 64 * 1024;

const ZEROS = Buffer.alloc(ZERO_UNIT_BYTES);

/**
 * The parts of `bytes` that hold anything but zeros, in whole units as they lie on the disk, from start to end.
 *
 * @param offset of `bytes` on the disk
 */
export function dataRuns(bytes: Buffer, offset: number): { readonly start: number; readonly end: number }[] {
  const runs: { start: number; end: number }[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(bytes.length, start + ZERO_UNIT_BYTES - ((offset + start) % ZERO_UNIT_BYTES));
    if (!isZero(bytes, start, end)) {
      const last = runs.at(-1);
      if (last?.end === start) last.end = end;
      else runs.push({ start, end });
    }
    start = end;
  }
  return runs;
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  // Most data shows in its first byte, which costs no call.
  return bytes[start] === 0 && bytes.compare(ZEROS, 0, end - start, start, end) === 0;
}
