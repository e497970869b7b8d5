import { ATTRIBUTES } from './properties/attributes.ts';
import { BTRFS_PROPERTIES } from './properties/btrfs.ts';
import { CONTENTS } from './properties/contents.ts';
import { FAT_PROPERTIES } from './properties/fat.ts';
import { INODE_FLAGS } from './properties/inode-flags.ts';
import { LINKS } from './properties/links.ts';
import { NAMES } from './properties/names.ts';
import { PERMISSIONS } from './properties/permissions.ts';
import { SPECIAL_FILES } from './properties/special-files.ts';
import { TIMES } from './properties/times.ts';
import { VOLUMES } from './properties/volumes.ts';
import { XFS_PROPERTIES } from './properties/xfs.ts';
import type { FidelityProperty, SubjectName } from './property.ts';

/** All awkward properties that a copy has to keep, or has to say that it loses. */
export const ALL_PROPERTIES: readonly FidelityProperty[] = [
  ...CONTENTS,
  ...NAMES,
  ...LINKS,
  ...SPECIAL_FILES,
  ...PERMISSIONS,
  ...TIMES,
  ...ATTRIBUTES,
  ...INODE_FLAGS,
  ...XFS_PROPERTIES,
  ...BTRFS_PROPERTIES,
  ...FAT_PROPERTIES,
  ...VOLUMES,
];

/** The properties that a file system of that kind can have. */
export function propertiesOf(subject: SubjectName): FidelityProperty[] {
  return ALL_PROPERTIES.filter(({ on }) => on.includes(subject));
}
