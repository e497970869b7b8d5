import { NbdError } from './nbd-error.ts';
import type { NbdDisk } from './nbd-disk.ts';

/** What must not differ when a disk is reached again. */
export type DiskFacts = Pick<NbdDisk, 'size' | 'sectorSize' | 'readOnly' | 'description' | 'identity'> & {
  readonly canFlush: boolean;
};

export function factsOf({ size, sectorSize, readOnly, description, identity, supports }: NbdDisk): DiskFacts {
  return {
    size,
    sectorSize,
    readOnly,
    canFlush: supports.flush,
    ...(description === undefined ? {} : { description }),
    ...(identity === undefined ? {} : { identity }),
  };
}

/**
 * Compares a disk with what was known of it before.
 *
 * @throws {NbdError} `NBD_CHANGED`, with the first thing that differs
 */
export function refuseOtherDisk(disk: NbdDisk, before: DiskFacts): void {
  const now = factsOf(disk);
  const difference = differenceOf(before, now);
  if (difference === undefined) return;
  const message = `another disk answers than before the interruption: ${difference}; see which disk is meant, and begin again`;
  throw new NbdError('NBD_CHANGED', message);
}

function differenceOf(before: DiskFacts, now: DiskFacts): string | undefined {
  if (now.size !== before.size) return `it has ${now.size} bytes instead of ${before.size}`;
  if (now.sectorSize.logical !== before.sectorSize.logical) {
    return `its sectors have ${now.sectorSize.logical} bytes instead of ${before.sectorSize.logical}`;
  }
  if (now.sectorSize.physical !== before.sectorSize.physical) {
    return `its physical sectors have ${now.sectorSize.physical} bytes instead of ${before.sectorSize.physical}`;
  }
  if (now.description !== before.description) {
    return `it is ${quoted(now.description)} instead of ${quoted(before.description)}`;
  }
  if (now.identity !== before.identity) return 'its computer was started anew, or it is another one';
  if (now.readOnly !== before.readOnly) {
    return now.readOnly ? 'it cannot be written any more' : 'it was read-only and is not any more';
  }
  if (now.canFlush !== before.canFlush) return 'its server handles flushes in another way';
  return undefined;
}

function quoted(description: string | undefined): string {
  return description === undefined ? 'a disk without a description' : `"${description}"`;
}
