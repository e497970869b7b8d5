import { EXT, type FidelityProperty, LINUX } from '../property.ts';

const EXT_AND_BTRFS = [...EXT, 'Btrfs'] as const;

export const INODE_FLAGS: readonly FidelityProperty[] = [
  {
    name: 'a file that cannot be changed (immutable)',
    on: LINUX,
    plant: 'echo text > file; chattr +i file',
    spoil: 'chattr -i file',
    reported: 'inode flags',
  },
  {
    name: 'a folder that cannot be changed, with contents',
    on: LINUX,
    plant: 'mkdir folder; echo text > folder/file; chattr +i folder',
    spoil: 'chattr -i folder',
    reported: 'inode flags',
  },
  {
    name: 'a file that cannot be changed, with several names',
    on: LINUX,
    plant: 'echo text > one; ln one two; chattr +i one',
    spoil: 'chattr -i one',
    reported: 'inode flags',
  },
  {
    name: 'a file that can only grow (append only)',
    on: LINUX,
    plant: 'echo text > file; chattr +a file',
    spoil: 'chattr -a file',
    reported: 'inode flags',
  },
  {
    name: 'no dump, no access times',
    on: LINUX,
    plant: 'touch file; chattr +dA file',
    spoil: 'chattr -d file',
    reported: 'inode flags',
  },
  {
    name: 'written at once (sync)',
    on: LINUX,
    plant: 'touch file; chattr +S file',
    spoil: 'chattr -S file',
    reported: 'inode flags',
  },
  {
    name: 'a folder that is written at once (dirsync)',
    on: EXT_AND_BTRFS,
    plant: 'mkdir folder; chattr +D folder',
    spoil: 'chattr -D folder',
    reported: 'inode flags',
  },
  {
    name: 'top of a hierarchy of folders',
    on: EXT,
    plant: 'mkdir folder; chattr +T folder',
    spoil: 'chattr -T folder',
    reported: 'inode flags',
  },
  {
    name: 'number of a project, and its inheritance',
    // Many kernels, such as those of small virtual machines, have no quotas for ext4 and then mount none with projects.
    on: ['XFS'],
    plant: 'mkdir folder; chattr -p 4242 +P folder; touch folder/file other; chattr -p 7 other',
    spoil: 'chattr -p 8 other',
    reported: 'project',
  },
];
