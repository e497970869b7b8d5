/** The file systems that the suite makes, each in one form; docs/file-systems.md has the same names. */
export const SUBJECT_NAMES = [
  'ext2',
  'ext3',
  'ext4',
  'XFS',
  'Btrfs',
  'FAT12',
  'FAT16',
  'FAT32',
  'swap',
] as const;

export type SubjectName = (typeof SUBJECT_NAMES)[number];

/** Something awkward that files, or a file system as a whole, can have and that a copy has to keep. */
export interface FidelityProperty {
  /** Unique; what is kept, in words. */
  readonly name: string;
  readonly on: readonly SubjectName[];
  /**
   * A bash script that makes it, in a folder of its own that is named `$FOLDER`; `$DEVICE` is the device, and `$ROOT`
   * the root folder. Where the kernel cannot mount the file system, the script works on `$DEVICE`, and `$FOLDER` is a
   * path on it as mtools takes it.
   */
  readonly plant: string;
  /** A bash script that takes it away from a copy, run in the same way. */
  readonly spoil: string;
  /** What a comparison calls the difference then. */
  readonly reported: string;
  /** Whether it belongs to the file system as a whole: the scripts run while it is not mounted. */
  readonly wholeVolume?: boolean;
  /** Where the difference is told: in the folder of the property by default, or at this path. */
  readonly reportedAt?: string;
  /** It cannot be kept, and the plan says so in a note that matches. A comparison tells no difference. */
  readonly lost?: RegExp;
}

export const EXT = ['ext2', 'ext3', 'ext4'] as const satisfies readonly SubjectName[];
/** File systems with owners, modes and extended attributes. */
export const LINUX = [...EXT, 'XFS', 'Btrfs'] as const satisfies readonly SubjectName[];
export const FAT = ['FAT12', 'FAT16', 'FAT32'] as const satisfies readonly SubjectName[];
