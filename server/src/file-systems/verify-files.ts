import { run } from '@diskferry/system/run';
import { compareTrees } from '../compare/compare-trees.ts';
import type { DescribeOptions } from '../compare/describe-tree.ts';
import type { Difference } from '../compare/difference.ts';
import type { CopyContext } from './file-system.ts';
import { withMount } from './mount.ts';
import { throttled } from './progress.ts';

/** How both sides are mounted for a comparison. */
export interface VerifyMount {
  readonly type: string;
  readonly options: readonly string[];
}

/** What a driver compares besides the files. */
export type CompareMore = (source: string, destination: string) => Promise<readonly Difference[]>;

/** Mounts source and twin side by side, for reading only, and compares every file. */
export async function verifyFiles(
  source: string,
  destination: string,
  { type, options }: VerifyMount,
  context: CopyContext,
  how: DescribeOptions = {},
  compareMore: CompareMore = async () => [],
): Promise<Difference[]> {
  const { session, signal } = context;
  await forgetCached(destination, signal);
  const mount = { type, options: ['ro', 'noatime', ...options], signal };
  return withMount(session, source, mount, (sourceFolder) =>
    withMount(session, destination, mount, async (destinationFolder) => [
      ...(await compareTrees(sourceFolder, destinationFolder, {
        ...how,
        signal,
        onBytes: countBytes(context),
      })),
      ...(await compareMore(sourceFolder, destinationFolder)),
    ]),
  );
}

/** Makes the kernel read a device again: what it remembers of it may never have reached the disk. */
export async function forgetCached(device: string, signal: AbortSignal | undefined): Promise<void> {
  await run(['blockdev', '--flushbufs', device], { signal });
}

/** Reports the sum of what was read so far. */
export function countBytes({ onProgress }: CopyContext): (bytes: number) => void {
  const report = throttled(onProgress);
  let sum = 0;
  return (bytes) => {
    sum += bytes;
    report(sum);
  };
}
