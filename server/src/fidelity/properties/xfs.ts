import type { FidelityProperty } from '../property.ts';

export const XFS_PROPERTIES: readonly FidelityProperty[] = [
  {
    name: 'extent size hints of files and folders',
    on: ['XFS'],
    plant:
      'touch file; mkdir folder; xfs_io -c "extsize 64k" file; xfs_io -c "extsize 128k" folder; echo text >> file',
    spoil: 'xfs_io -c "extsize 64k" folder',
    reported: 'XFS attributes',
  },
  {
    name: 'extent size hints for copying on write',
    on: ['XFS'],
    plant: 'touch file; xfs_io -c "cowextsize 64k" file',
    spoil: 'xfs_io -c "cowextsize 0" file',
    reported: 'XFS attributes',
  },
  {
    name: 'files that are not defragmented',
    on: ['XFS'],
    plant: 'touch file; xfs_io -c "chattr +f" file',
    spoil: 'xfs_io -c "chattr -f" file',
    reported: 'XFS attributes',
  },
  {
    name: 'extents that files share, on a file system that cannot be moved as a whole',
    on: ['XFS'],
    plant: 'head -c 1M /dev/urandom > one; cp --reflink=always one two',
    spoil: 'echo >> two',
    reported: 'size',
    lost: /share blocks \(reflinks\)/,
  },
];
