import type { Command } from '@diskferry/system/run';
import type { SubjectName } from './property.ts';

const MIB = 1024 * 1024;

/** One form of a file system that the suite makes. */
export interface Subject {
  /** Without the device. */
  readonly make: Command;
  readonly bytes: number;
  /** Of the device that the copy is copied to in turn, which has old data. */
  readonly secondBytes: number;
  /** Options for mount; undefined where the kernel of a server may have no driver: then scripts work on the device. */
  readonly mount: string | undefined;
  readonly how: 'files' | 'recreated';
  /** What finds out whether the structure of a copy is sound, without the device. */
  readonly check?: Command;
}

const E2FSCK = ['e2fsck', '-f', '-n'] as const;
const FSCK_FAT = ['fsck.fat', '-n'] as const;

export const SUBJECTS: Readonly<Record<SubjectName, Subject>> = {
  ext2: {
    make: ['mke2fs', '-q', '-t', 'ext2', '-b', '4096', '-I', '256'],
    bytes: 200 * MIB,
    secondBytes: 150 * MIB,
    mount: 'noatime,acl,user_xattr',
    how: 'files',
    check: E2FSCK,
  },
  ext3: {
    make: ['mke2fs', '-q', '-t', 'ext3', '-b', '4096', '-I', '256'],
    bytes: 200 * MIB,
    secondBytes: 330 * MIB,
    mount: 'noatime,acl,user_xattr',
    how: 'files',
    check: E2FSCK,
  },
  ext4: {
    make: ['mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-I', '256'],
    bytes: 200 * MIB,
    secondBytes: 400 * MIB,
    mount: 'noatime',
    how: 'files',
    check: E2FSCK,
  },
  XFS: {
    make: ['mkfs.xfs', '-q', '-m', 'bigtime=1,reflink=1'],
    bytes: 400 * MIB,
    secondBytes: 500 * MIB,
    mount: 'noatime,nouuid',
    how: 'files',
    check: ['xfs_repair', '-n'],
  },
  Btrfs: {
    make: ['mkfs.btrfs', '-q'],
    bytes: 700 * MIB,
    secondBytes: 600 * MIB,
    mount: 'noatime,subvolid=5',
    how: 'files',
    check: ['btrfs', 'check', '--readonly'],
  },
  FAT12: {
    make: ['mkfs.fat', '-n', 'THELABEL', '-F', '12'],
    bytes: 8 * MIB,
    secondBytes: 12 * MIB,
    mount: undefined,
    how: 'files',
    check: FSCK_FAT,
  },
  FAT16: {
    make: ['mkfs.fat', '-n', 'THELABEL', '-F', '16'],
    bytes: 40 * MIB,
    secondBytes: 32 * MIB,
    mount: undefined,
    how: 'files',
    check: FSCK_FAT,
  },
  FAT32: {
    make: ['mkfs.fat', '-n', 'THELABEL', '-F', '32', '-s', '1'],
    bytes: 40 * MIB,
    secondBytes: 64 * MIB,
    mount: undefined,
    how: 'files',
    check: FSCK_FAT,
  },
  swap: {
    make: ['mkswap', '--quiet'],
    bytes: 8 * MIB,
    secondBytes: 9 * MIB,
    mount: undefined,
    how: 'recreated',
  },
};
