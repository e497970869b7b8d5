/**
 * Names of the feature bits as mke2fs -O takes them. Source: e2fsprogs lib/e2p/feature.c and the kernel's
 * Documentation/filesystems/ext4/super.rst.
 */
const COMPATIBLE: Readonly<Record<number, string>> = {
  0x1: 'dir_prealloc',
  0x2: 'imagic_inodes',
  0x4: 'has_journal',
  0x8: 'ext_attr',
  0x10: 'resize_inode',
  0x20: 'dir_index',
  0x40: 'lazy_bg',
  0x80: 'snapshot_bitmap',
  0x200: 'sparse_super2',
  0x400: 'fast_commit',
  0x800: 'stable_inodes',
  0x1000: 'orphan_file',
};

const INCOMPATIBLE: Readonly<Record<number, string>> = {
  0x1: 'compression',
  0x2: 'filetype',
  0x4: 'needs_recovery',
  0x8: 'journal_dev',
  0x10: 'meta_bg',
  0x40: 'extent',
  0x80: '64bit',
  0x100: 'mmp',
  0x200: 'flex_bg',
  0x400: 'ea_inode',
  0x1000: 'dirdata',
  0x2000: 'metadata_csum_seed',
  0x4000: 'large_dir',
  0x8000: 'inline_data',
  0x10000: 'encrypt',
  0x20000: 'casefold',
};

const READ_ONLY_COMPATIBLE: Readonly<Record<number, string>> = {
  0x1: 'sparse_super',
  0x2: 'large_file',
  0x8: 'huge_file',
  0x10: 'uninit_bg',
  0x20: 'dir_nlink',
  0x40: 'extra_isize',
  0x80: 'snapshot',
  0x100: 'quota',
  0x200: 'bigalloc',
  0x400: 'metadata_csum',
  0x800: 'replica',
  0x1000: 'read-only',
  0x2000: 'project',
  0x4000: 'shared_blocks',
  0x8000: 'verity',
  0x10000: 'orphan_present',
};

/** Say what state the file system is in, not what it is: an empty twin is clean. */
export const STATE_FEATURES: ReadonlySet<string> = new Set(['needs_recovery', 'orphan_present']);

/** The bit of the journal in the word of compatible features. */
export const HAS_JOURNAL = 0x4;

/** Names of the features in the three words of a superblock; a bit without a name is "FEATURE_C7" and alike. */
export function featureNames(compatible: number, incompatible: number, readOnlyCompatible: number): string[] {
  return [
    ...namesOf(compatible, COMPATIBLE, 'C'),
    ...namesOf(incompatible, INCOMPATIBLE, 'I'),
    ...namesOf(readOnlyCompatible, READ_ONLY_COMPATIBLE, 'R'),
  ];
}

function namesOf(word: number, names: Readonly<Record<number, string>>, prefix: string): string[] {
  return Array.from({ length: 32 }, (_, bit) => bit)
    .filter((bit) => ((word >>> bit) & 1) === 1)
    .map((bit) => names[2 ** bit] ?? `FEATURE_${prefix}${bit}`);
}
