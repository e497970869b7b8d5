import { CommandError, run } from '@diskferry/system/run';
import type { CopyContext } from './file-system.ts';

/** Gives blocks that were written and freed again back to the image. A device without discard is left as it is. */
export async function trimFreeSpace(folder: string, { signal }: CopyContext): Promise<void> {
  await run(['fstrim', '--quiet-unsupported', folder], { signal }).catch((error: unknown) => {
    if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') throw error;
  });
}
