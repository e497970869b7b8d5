import { chmod, readFile, writeFile } from 'node:fs/promises';
import { DiskferryError } from '@diskferry/system/errors';

/**
 * Node carries the data of ICU: languages, calendars, currencies and character sets of the whole world, 33 of the
 * executable's 117 MB. The imaging client speaks English and UTF-8. What it never opens is overwritten with zeros, which
 * take no room in the compressed image; lengths and places of all parts stay, so that the executable is the same otherwise.
 *
 * The data is one package ("CmnD", icu4c/source/common/ucmndata.h of ICU):
 *   header: length of the header (2), 0xda 0x27, length of the info (2), two reserved bytes, big endian (1),
 *           character set (1), bytes a character (1), reserved (1), "CmnD", …
 *   then:   number of items (4), for each the place of its name (4) and of its data (4), counted from this number
 */
const FORMAT = Buffer.from('CmnD');
const FORMAT_AT = 12;
const MAGIC = Buffer.from([0xda, 0x27]);
const MAGIC_AT = 2;
const ENTRY_BYTES = 8;
const NUMBER_BYTES = 4;
/** Node 26 has some 4,300 items; anything beyond is no table. */
const MOST_ITEMS = 20_000;

/** Character properties, normal forms and name checks: what strings and domain names need in any language. */
const OF_ALL_LANGUAGES = /\.(icu|nrm|cfu|spp)$/;
/** Rules of all languages by subject, such as time zones and plurals, and what languages have in common. */
const SHARED_RULES = /^[^/]+\/(?![a-z]{2,3}(_\w+)?\.res$)[^/]+\.res$/;
/** Not the rules of changing one script into another, which are in a root of 1 MB. */
const ENGLISH = /^(?![^/]+\/translit\/).*\/(root|pool|res_index|en|en_US)\.res$/;

interface Item {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * Writes the imaging client as it goes into the image.
 *
 * @returns how many bytes were overwritten
 * @throws {DiskferryError} `ICU_DATA` when a table of ICU is there, but is not as expected
 */
export async function writeLeanClient(source: string, target: string): Promise<number> {
  const bytes = await readFile(source);
  const overwritten = clearUnusedIcuData(bytes);
  await writeFile(target, bytes);
  await chmod(target, 0o755);
  return overwritten;
}

/** Overwrites in place what the client never opens. Without data of ICU there is nothing to do: 0. */
export function clearUnusedIcuData(bytes: Buffer): number {
  let cleared = 0;
  for (const table of findTables(bytes)) {
    for (const { name, begin, end } of readItems(bytes, table)) {
      if (OF_ALL_LANGUAGES.test(name) || SHARED_RULES.test(name) || ENGLISH.test(name)) continue;
      bytes.fill(0, begin, end);
      cleared += end - begin;
    }
  }
  return cleared;
}

/** Places of the numbers of items. */
function findTables(bytes: Buffer): number[] {
  const tables: number[] = [];
  for (let at = bytes.indexOf(FORMAT); at >= 0; at = bytes.indexOf(FORMAT, at + 1)) {
    const header = at - FORMAT_AT;
    if (header < 0 || !bytes.subarray(header + MAGIC_AT, header + MAGIC_AT + MAGIC.length).equals(MAGIC))
      continue;
    tables.push(header + bytes.readUInt16LE(header));
  }
  return tables;
}

function readItems(bytes: Buffer, table: number): Item[] {
  const count = bytes.readUInt32LE(table);
  const firstName = table + bytes.readUInt32LE(table + NUMBER_BYTES);
  const isTable =
    count > 0 && count <= MOST_ITEMS && firstName === table + NUMBER_BYTES + count * ENTRY_BYTES;
  if (!isTable) throw unexpected(`${count} items, the first name at ${firstName - table}`);
  const entry = (index: number): number => table + NUMBER_BYTES + index * ENTRY_BYTES;
  const dataOf = (index: number): number => table + bytes.readUInt32LE(entry(index) + NUMBER_BYTES);
  // The end of the last item is not written down: it stays as it is.
  return Array.from({ length: count - 1 }, (_, index) => {
    const nameAt = table + bytes.readUInt32LE(entry(index));
    const name = bytes.toString('latin1', nameAt, bytes.indexOf(0, nameAt));
    const [begin, end] = [dataOf(index), dataOf(index + 1)];
    if (end < begin || end > bytes.length) throw unexpected(`${name} from ${begin} to ${end}`);
    return { name, begin, end };
  });
}

function unexpected(what: string): DiskferryError {
  return new DiskferryError(
    'ICU_DATA',
    `the data of ICU in the imaging client is not in the expected form (${what}): has Node changed? see lean-client.ts`,
  );
}
