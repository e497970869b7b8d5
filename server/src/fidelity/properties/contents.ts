import { type FidelityProperty, LINUX } from '../property.ts';

/** Makes a byte of a file another one, whichever it is: of random bytes, one in 256 is what one would write. */
const turnByte = (file: string, offset: number): string =>
  `dd if=${file} bs=1 skip=${offset} count=1 status=none | tr '\\000-\\377' '\\001-\\377\\000' | ` +
  `dd of=${file} bs=1 seek=${offset} conv=notrunc status=none`;

export const CONTENTS: readonly FidelityProperty[] = [
  {
    name: 'contents of a small file',
    on: LINUX,
    plant: 'echo text > file',
    spoil: 'echo tExt > file',
    reported: 'content',
  },
  {
    name: 'an empty file',
    on: LINUX,
    plant: 'touch file',
    spoil: 'rm file',
    reported: 'existence',
  },
  {
    name: 'a file that ends with its block, and one that is a byte longer',
    on: LINUX,
    plant: 'head -c 4096 /dev/urandom > exact; head -c 4097 /dev/urandom > longer',
    spoil: 'truncate -s 4096 longer',
    reported: 'size',
  },
  {
    name: 'the last byte of a file of many megabytes',
    on: LINUX,
    plant: 'head -c 9000001 /dev/urandom > file',
    spoil: turnByte('file', 9_000_000),
    reported: 'content',
  },
  {
    name: 'a file in many pieces',
    on: LINUX,
    plant:
      'for n in {1..60}; do head -c 4096 /dev/urandom >> one; sync one; head -c 4096 /dev/urandom >> two; sync two; done',
    spoil: turnByte('two', 123_456),
    reported: 'content',
  },
  {
    name: 'zeros that are data',
    on: LINUX,
    plant: 'head -c 65536 /dev/zero > file',
    spoil: 'rm file; truncate -s 65536 file',
    reported: 'holes',
  },
  {
    name: 'holes at the beginning, in the middle and at the end of a file',
    on: LINUX,
    plant:
      'truncate -s 1M file; for at in 64 128; do head -c 4096 /dev/urandom | dd of=file bs=1024 seek=$at conv=notrunc status=none; done',
    spoil: 'dd if=/dev/zero of=file bs=1024 count=4 seek=512 conv=notrunc status=none',
    reported: 'holes',
  },
  {
    name: 'a file that is nothing but a hole',
    on: LINUX,
    plant: 'truncate -s 3M file',
    spoil: 'truncate -s 2M file',
    reported: 'size',
  },
  {
    name: 'a sparse file of more than 2 GiB with data at its end',
    on: LINUX,
    plant:
      'truncate -s 2147487744 file; printf end | dd of=file bs=1 seek=2147487741 conv=notrunc status=none',
    spoil: 'printf eNd | dd of=file bs=1 seek=2147487741 conv=notrunc status=none',
    reported: 'content',
  },
  {
    name: 'a sparse file of one terabyte',
    on: LINUX,
    plant: 'truncate -s 1T file; printf here | dd of=file bs=1M seek=700000 conv=notrunc status=none',
    spoil: 'printf hEre | dd of=file bs=1M seek=700000 conv=notrunc status=none',
    reported: 'content',
  },
  {
    name: 'contents of a file with blocks that were reserved and never written',
    on: ['ext4', 'XFS', 'Btrfs'],
    plant: 'fallocate -l 1M file; head -c 5000 /dev/urandom | dd of=file conv=notrunc status=none',
    spoil: turnByte('file', 4000),
    reported: 'content',
  },
];
