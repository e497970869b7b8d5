import { FileSystemError } from './errors.ts';

/** Clusters in one piece, or a hole where nothing is stored. */
export interface NtfsRun {
  /** The first cluster on the volume; undefined for a hole. */
  readonly cluster: number | undefined;
  readonly count: number;
}

/**
 * Reads the list of runs of an attribute ("mapping pairs"): per run a byte that tells the lengths of what follows,
 * a count of clusters, and the distance from the run before, as signed numbers of the least length; 0 ends the list.
 *
 * @throws {FileSystemError} `DAMAGED` when it cannot be true
 */
export function decodeRuns(bytes: Buffer): NtfsRun[] {
  const runs: NtfsRun[] = [];
  let offset = 0;
  let cluster = 0;
  for (;;) {
    const header = bytes[offset++];
    if (header === undefined) throw new FileSystemError('DAMAGED', 'a list of runs has no end');
    if (header === 0) return runs;
    const [countBytes, distanceBytes] = [header & 0x0f, header >> 4];
    if (
      countBytes === 0 ||
      countBytes > 8 ||
      distanceBytes > 8 ||
      offset + countBytes + distanceBytes > bytes.length
    ) {
      throw new FileSystemError('DAMAGED', 'a list of runs has a wrong length');
    }
    const count = readSigned(bytes, offset, countBytes);
    offset += countBytes;
    if (distanceBytes > 0) cluster += readSigned(bytes, offset, distanceBytes);
    offset += distanceBytes;
    if (count <= 0 || cluster < 0)
      throw new FileSystemError('DAMAGED', 'a list of runs has a negative number');
    runs.push({ cluster: distanceBytes === 0 ? undefined : cluster, count });
  }
}

/** The opposite of `decodeRuns`. */
export function encodeRuns(runs: readonly NtfsRun[]): Buffer {
  const bytes: number[] = [];
  let before = 0;
  for (const { cluster, count } of runs) {
    const countBytes = signedBytes(count);
    const distanceBytes = cluster === undefined ? [] : signedBytes(cluster - before);
    before = cluster ?? before;
    bytes.push((distanceBytes.length << 4) | countBytes.length, ...countBytes, ...distanceBytes);
  }
  return Buffer.from([...bytes, 0]);
}

/** How many clusters some runs take on the volume. */
export function storedClusters(runs: readonly NtfsRun[]): number {
  return runs.reduce((sum, { cluster, count }) => sum + (cluster === undefined ? 0 : count), 0);
}

function readSigned(bytes: Buffer, offset: number, length: number): number {
  // Buffer.readIntLE ends at 6 bytes, the format at 8; what is beyond 2^53 is damage, which is found by its size.
  if (length <= 6) return bytes.readIntLE(offset, length);
  let value = BigInt(bytes.readInt8(offset + length - 1));
  for (let index = length - 2; index >= 0; index--)
    value = value * 256n + BigInt(bytes.readUInt8(offset + index));
  return Number(value);
}

/** Two's complement of the least length, its lowest byte first. */
function signedBytes(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const byte = ((rest % 256) + 256) % 256;
    rest = Math.floor(rest / 256);
    bytes.push(byte);
    const isNegative = byte >= 0x80;
    if ((rest === 0 && !isNegative) || (rest === -1 && isNegative)) return bytes;
  }
}
