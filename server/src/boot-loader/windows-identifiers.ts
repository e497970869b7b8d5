/** How Windows knows a partition of an MBR disk: by the disk's signature and the partition's first byte. */
export interface MovedPlace {
  /** In bytes. */
  readonly from: number;
  /** In bytes. */
  readonly to: number;
}

/**
 * A partition as an element of a boot configuration names it: u64 first byte, u64 unused, u32 zero, u32 kind of table, u32 disk
 * signature. For a GPT, the GUIDs of partition and disk take the place of the numbers.
 */
const KIND_OFFSET = 20;
const SIGNATURE_OFFSET = 24;
const ELEMENT_BYTES = 28;
const MBR_KIND = 1;
/** A drive letter in MountedDevices of the registry: u32 disk signature, u64 first byte. */
const LETTER_BYTES = 12;

/** Registry hives begin with it; then come u32 two sequence numbers, which are equal when all was written. */
const HIVE_SIGNATURE = 'regf';

/** Whether these bytes are a registry hive whose last change is in it and not only in its log. */
export function isCleanHive(hive: Buffer): boolean {
  if (hive.length < 4096 || hive.toString('latin1', 0, 4) !== HIVE_SIGNATURE) return false;
  return hive.readUInt32LE(4) === hive.readUInt32LE(8);
}

/**
 * Finds each place in a boot configuration (the hive \Boot\BCD) where a partition is named, and puts its new place there. Values
 * keep their length and a hive has no checksum of its values, so that nothing else changes.
 *
 * @returns how many were changed
 */
export function moveInBootConfiguration(
  hive: Buffer,
  signature: number,
  moves: readonly MovedPlace[],
): number {
  const mark = Buffer.alloc(8);
  mark.writeUInt32LE(MBR_KIND, 0);
  mark.writeUInt32LE(signature, SIGNATURE_OFFSET - KIND_OFFSET);
  return replaceAt(hive, mark, -KIND_OFFSET, ELEMENT_BYTES, moves);
}

/** The same for the drive letters in the hive SYSTEM. */
export function moveDriveLetters(hive: Buffer, signature: number, moves: readonly MovedPlace[]): number {
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(signature);
  return replaceAt(hive, mark, 4, LETTER_BYTES, moves);
}

/** @param distance where the u64 is, counted from the mark */
function replaceAt(
  hive: Buffer,
  mark: Buffer,
  distance: number,
  length: number,
  moves: readonly MovedPlace[],
): number {
  let count = 0;
  for (let at = hive.indexOf(mark); at >= 0; at = hive.indexOf(mark, at + 1)) {
    const place = at + distance;
    if (place < 0 || Math.min(at, place) + length > hive.length) continue;
    const start = hive.readBigUInt64LE(place);
    const move = moves.find(({ from }) => BigInt(from) === start);
    if (move === undefined) continue;
    hive.writeBigUInt64LE(BigInt(move.to), place);
    count++;
  }
  return count;
}
