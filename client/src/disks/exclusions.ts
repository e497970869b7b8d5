import { existsSync } from 'node:fs';
import { readFlag, readNumber } from '../sysfs.ts';

/** Block devices of Linux that are not disks of the computer, by the beginning of the kernel's name. */
const NOT_A_DISK: readonly { readonly name: RegExp; readonly why: string }[] = [
  { name: /^loop\d/, why: 'a loop device shows a file, here the secondary OS itself' },
  { name: /^ram\d/, why: 'a RAM disk ends with the secondary OS' },
  { name: /^zram\d/, why: 'compressed memory ends with the secondary OS' },
  { name: /^fd\d/, why: 'a floppy drive is slow, and reports errors for minutes when it is empty' },
  { name: /^sr\d/, why: 'a CD drive, often the very one that the secondary OS was started from' },
  {
    name: /^dm-\d/,
    why: 'the device mapper (LVM, LUKS, multipath) shows other disks, which are served themselves',
  },
  { name: /^md[\d_]/, why: 'a software RAID shows other disks, which are served themselves' },
  { name: /^(bcache|bcachefs|drbd|rbd|zd)\d/, why: 'a layer over other disks, here or on other computers' },
  { name: /^nbd\d/, why: 'a network block device is the disk of another computer' },
  { name: /^mmcblk\d+(boot\d|rpmb)/, why: 'a boot area of an eMMC holds the firmware of its board' },
  { name: /^mtdblock\d/, why: 'raw flash holds the firmware of the board' },
];

/**
 * Why a device of /sys/block is not served, as a sentence; undefined for a disk. USB sticks are served: whoever
 * boots from one sees it in the list, and it cannot be told from a USB disk that is to be captured.
 */
export function reasonToSkip(folder: string, name: string): string | undefined {
  const known = NOT_A_DISK.find((kind) => kind.name.test(name));
  if (known !== undefined) return known.why;
  // The paths below a multipath NVMe namespace; the namespace itself is served once.
  if (readFlag(folder, 'hidden') === true) return 'the kernel hides it: it is one path to another disk';
  if (!existsSync(`${folder}/device`)) return 'no hardware stands behind it';
  if ((readNumber(folder, 'size') ?? 0) === 0) return 'it has no medium, as an empty card reader';
  return undefined;
}
