/** How many bytes from the start of the disk are needed. */
export const SIGNATURE_BYTES = 4096;

/** Signatures of file systems whose first sector may also end with the boot signature. Offsets are bytes. */
const SIGNATURES: readonly { readonly name: string; readonly offset: number; readonly bytes: string }[] = [
  { name: 'NTFS', offset: 3, bytes: 'NTFS    ' },
  { name: 'exFAT', offset: 3, bytes: 'EXFAT   ' },
  { name: 'FAT', offset: 54, bytes: 'FAT12   ' },
  { name: 'FAT', offset: 54, bytes: 'FAT16   ' },
  { name: 'FAT', offset: 82, bytes: 'FAT32   ' },
  { name: 'ext', offset: 1024 + 56, bytes: '\x53\xef' },
  { name: 'XFS', offset: 0, bytes: 'XFSB' },
];

/** The file system that begins at the first byte of the disk, if one is recognised. */
export function findFileSystem(start: Buffer): string | undefined {
  return SIGNATURES.find(
    ({ offset, bytes }) => start.toString('latin1', offset, offset + bytes.length) === bytes,
  )?.name;
}
