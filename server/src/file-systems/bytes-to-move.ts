import type { FileSystem } from './file-system.ts';

/** What a copy of that file system has to move, in bytes. */
export function bytesToMove({ how, usedBytes, size }: FileSystem): number {
  switch (how) {
    case 'files':
      return usedBytes;
    case 'recreated':
      return 0;
    case 'sectors':
      return size;
  }
}
