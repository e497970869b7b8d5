/** A GUID takes 16 bytes. */
const GUID_SIZE = 16;

/**
 * The text of a GUID as disks store it: the first three fields are little-endian (UEFI 2.10, appendix A).
 *
 * @returns lower case, such as "0fc63daf-8483-4772-8e79-3d69d8477de4"
 */
export function formatGuid(bytes: Buffer, offset: number): string {
  const head = [
    bytes.readUInt32LE(offset).toString(16).padStart(8, '0'),
    bytes
      .readUInt16LE(offset + 4)
      .toString(16)
      .padStart(4, '0'),
    bytes
      .readUInt16LE(offset + 6)
      .toString(16)
      .padStart(4, '0'),
  ];
  const tail = bytes.toString('hex', offset + 8, offset + GUID_SIZE);
  return [...head, tail.slice(0, 4), tail.slice(4)].join('-');
}

/** The bytes of a GUID as disks store it; the opposite of {@link formatGuid}. */
export function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  if (bytes.length !== GUID_SIZE) throw new TypeError(`"${text}" is not a GUID`);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
