import type { FidelityProperty } from '../property.ts';

export const BTRFS_PROPERTIES: readonly FidelityProperty[] = [
  {
    name: 'a subvolume, and one inside it',
    on: ['Btrfs'],
    plant:
      'btrfs -q subvolume create outer; btrfs -q subvolume create outer/inner; echo text > outer/inner/file',
    spoil: 'echo tExt > outer/inner/file',
    reported: 'content',
  },
  {
    name: 'a snapshot that cannot be written',
    on: ['Btrfs'],
    plant:
      'btrfs -q subvolume create from; echo 1 > from/file; btrfs -q subvolume snapshot -r from snapshot; echo 2 > from/file',
    spoil: 'btrfs property set -f snapshot ro false',
    reported: 'subvolumes',
    reportedAt: '',
  },
  {
    name: 'which subvolume is mounted by default',
    on: ['Btrfs'],
    plant: 'btrfs -q subvolume create standard; btrfs subvolume set-default standard',
    spoil: 'btrfs subvolume set-default 5 "$ROOT"',
    reported: 'subvolumes',
    reportedAt: '',
  },
  {
    name: 'limits of quota groups',
    on: ['Btrfs'],
    plant: 'btrfs quota enable "$ROOT"; btrfs -q subvolume create limited; btrfs qgroup limit 1G limited',
    spoil: 'btrfs qgroup limit 2G limited',
    reported: 'quota groups',
    reportedAt: '',
  },
  {
    name: 'compressed extents',
    on: ['Btrfs'],
    plant:
      'touch file; btrfs property set file compression zstd; yes compresses well | head -c 500000 > file',
    spoil:
      'btrfs property set file compression none; yes compresses well | head -c 500000 > new; dd if=new of=file conv=notrunc status=none; rm new',
    reported: 'holes',
  },
  {
    name: 'which compression new extents get',
    on: ['Btrfs'],
    plant: 'mkdir folder; btrfs property set folder compression lzo',
    spoil: 'btrfs property set folder compression zlib',
    reported: 'attribute btrfs.compression',
  },
  {
    name: 'files that are overwritten in place (NOCOW)',
    on: ['Btrfs'],
    plant: 'touch file; chattr +C file; echo text > file',
    spoil: 'rm file; echo text > file',
    reported: 'inode flags',
  },
  {
    name: 'files that are never compressed',
    on: ['Btrfs'],
    plant: 'touch file; chattr +m file',
    spoil: 'chattr -m file',
    reported: 'inode flags',
  },
];
