const MAGIC = '070701';
const HEADER_BYTES = 110;
const ALIGNMENT = 4;
const TRAILER = 'TRAILER!!!';

/** Places of fields in the header: eight hexadecimal digits each, behind the magic. See `makeCpio` for their order. */
const SIZE_AT = MAGIC.length + 6 * 8;
const NAME_SIZE_AT = MAGIC.length + 11 * 8;
const FIELD_DIGITS = 8;

/** The files of one archive by their paths, up to its trailer or to the first bytes that are no entry. */
export function readCpio(archive: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  let at = 0;
  while (archive.toString('latin1', at, at + MAGIC.length) === MAGIC) {
    const size = field(archive, at + SIZE_AT);
    const nameSize = field(archive, at + NAME_SIZE_AT);
    if (Number.isNaN(size) || Number.isNaN(nameSize) || nameSize === 0) break;
    const name = archive.toString('utf8', at + HEADER_BYTES, at + HEADER_BYTES + nameSize - 1);
    if (name === TRAILER) break;
    const begin = aligned(at + HEADER_BYTES + nameSize);
    if (begin + size > archive.length) break;
    files.set(name, archive.subarray(begin, begin + size));
    at = aligned(begin + size);
  }
  return files;
}

function field(archive: Buffer, at: number): number {
  return Number.parseInt(archive.toString('latin1', at, at + FIELD_DIGITS), 16);
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}
