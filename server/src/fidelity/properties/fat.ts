import { FAT, type FidelityProperty } from '../property.ts';

const COPY = 'mcopy -i "$DEVICE" -o';

/** `patch NAME OFFSET HEX` changes bytes behind the place where a short name, or any other text, is on the device. */
export const FAT_PROPERTIES: readonly FidelityProperty[] = [
  {
    name: 'contents of a file on FAT',
    on: FAT,
    plant: `(head -c 100000 /dev/zero; echo unlike all others) > local; ${COPY} local "$FOLDER/FILE.TXT"`,
    spoil: 'patch "unlike all others" 7 58',
    reported: 'content',
  },
  {
    name: 'an empty file on FAT',
    on: FAT,
    plant: `touch local; ${COPY} local "$FOLDER/EMPTY"`,
    spoil: 'mdel -i "$DEVICE" "$FOLDER/EMPTY"',
    reported: 'existence',
  },
  {
    name: 'a file that ends with its cluster',
    on: FAT,
    plant: `head -c 65536 /dev/urandom > local; ${COPY} local "$FOLDER/CLUSTERS"`,
    spoil: 'patch "CLUSTERS   " 28 ffff0000',
    reported: 'size',
  },
  {
    name: 'a file on FAT in many pieces',
    on: FAT,
    plant: `for n in {1..20}; do head -c 20000 /dev/urandom > $n; ${COPY} $n "$FOLDER/$n"; done; for n in {1..19..2}; do mdel -i "$DEVICE" "$FOLDER/$n"; done; (head -c 200000 /dev/urandom; echo end of many pieces) > local; ${COPY} local "$FOLDER/PIECES"`,
    spoil: 'patch "end of many pieces" 0 58',
    reported: 'content',
  },
  {
    name: 'a name of 250 characters on FAT',
    on: FAT,
    plant: `touch local; ${COPY} local "$FOLDER/$(printf 'n%.0s' {1..250})"`,
    // One entry before the short name is the beginning of the long one.
    spoil: 'patch "NNNNNN~1   " -31 6d',
    reported: 'long name',
  },
  {
    name: 'a name on FAT with letters of other scripts',
    on: FAT,
    plant: `touch local; ${COPY} local "$FOLDER/Grüße, привет, 你好.txt"`,
    spoil: 'mdel -i "$DEVICE" "$FOLDER/Grüße, привет, 你好.txt"',
    reported: 'existence',
  },
  {
    name: 'the short name that belongs to a long one',
    on: FAT,
    plant: `touch local; ${COPY} local "$FOLDER/short name of this.txt"; patch "SHORTN~1TXT" 7 37`,
    spoil: 'patch "SHORTN~7TXT" 7 38',
    reported: 'existence',
  },
  {
    name: 'small letters of a short name',
    on: FAT,
    plant: `touch local; ${COPY} local "$FOLDER/LETTERS.TXT"; patch "LETTERS TXT" 12 18`,
    spoil: 'patch "LETTERS TXT" 12 08',
    reported: 'case of the short name',
  },
  {
    name: 'hidden, system, read-only, archived',
    on: FAT,
    plant: `touch local; ${COPY} local "$FOLDER/HIDDEN"; mattrib -i "$DEVICE" +h +s +r -a "$FOLDER/HIDDEN"`,
    spoil: 'mattrib -i "$DEVICE" -s "$FOLDER/HIDDEN"',
    reported: 'attributes',
  },
  {
    name: 'time of change on FAT',
    on: FAT,
    plant: `touch -d '1999-09-09 09:09:08' local; ${COPY} -m local "$FOLDER/CHANGED"`,
    spoil: 'patch "CHANGED    " 22 0100',
    reported: 'modification time',
  },
  {
    name: 'time of creation on FAT, to 10 ms',
    on: FAT,
    plant: `touch local; ${COPY} local "$FOLDER/CREATED"; patch "CREATED    " 13 63215a215a`,
    spoil: 'patch "CREATED    " 13 62',
    reported: 'creation time',
  },
  {
    name: 'day of access on FAT',
    on: FAT,
    plant: `touch local; ${COPY} local "$FOLDER/ACCESSED"; patch "ACCESSED   " 18 425b`,
    spoil: 'patch "ACCESSED   " 18 435b',
    reported: 'access time',
  },
  {
    name: "number of OS/2's extended attributes",
    on: ['FAT12', 'FAT16'],
    plant: `touch local; ${COPY} local "$FOLDER/OS2ATTR"; patch "OS2ATTR    " 20 0500`,
    spoil: 'patch "OS2ATTR    " 20 0600',
    reported: 'extended attributes',
  },
  {
    name: 'an empty folder on FAT',
    on: FAT,
    plant: 'mmd -i "$DEVICE" "$FOLDER/NOTHING"',
    spoil: 'mrd -i "$DEVICE" "$FOLDER/NOTHING"',
    reported: 'existence',
  },
  {
    name: 'times of a folder on FAT',
    on: FAT,
    plant: 'mmd -i "$DEVICE" "$FOLDER/TIMED"; patch "TIMED      " 22 0102',
    spoil: 'patch "TIMED      " 22 0103',
    reported: 'modification time',
  },
  {
    name: 'folders in folders on FAT',
    on: FAT,
    plant: `path="$FOLDER"; for n in {1..15}; do path="$path/D$n"; mmd -i "$DEVICE" "$path"; done; echo bottom > local; ${COPY} local "$path/BOTTOM"`,
    spoil: 'patch "BOTTOM     " 11 07',
    reported: 'attributes',
  },
  {
    name: 'a folder on FAT with some hundred files',
    on: FAT,
    plant: `mkdir many; for n in {1..300}; do touch "many/file with number $n"; done; ${COPY} many/* "$FOLDER"`,
    spoil: 'mdel -i "$DEVICE" "$FOLDER/file with number 271"',
    reported: 'existence',
  },
];
