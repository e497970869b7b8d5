import { open } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { DiskError, type Disk, type SectorSize } from '@diskferry/protocol/disk';
import { run } from '@diskferry/system/run';
import { atEnd } from '../setup/at-end.ts';

/** A block device of this machine. A flush also empties the page cache, so that what is read then comes from the disk. */
export async function openBlockDevice(
  test: TestContext,
  path: string,
  { size, sectorSize }: { readonly size: number; readonly sectorSize: SectorSize },
): Promise<Disk> {
  const handle = await open(path, 'r+');
  atEnd(test, () => handle.close());
  // A program, because Node has no call for it.
  const discard = async (offset: number, length: number, ...words: string[]): Promise<void> => {
    // By force: it would want the device for itself otherwise.
    await run(['blkdiscard', '--force', ...words, `--offset=${offset}`, `--length=${length}`, path]);
  };
  return {
    size,
    sectorSize,
    readOnly: false,
    async read(offset, target) {
      for (let done = 0; done < target.length; ) {
        const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
        if (bytesRead === 0) throw new DiskError('EIO', `${path} ended after ${done} bytes`);
        done += bytesRead;
      }
    },
    async write(offset, data) {
      for (let done = 0; done < data.length; ) {
        done += (await handle.write(data, done, data.length - done, offset + done)).bytesWritten;
      }
    },
    async flush() {
      await handle.datasync();
      await run(['blockdev', '--flushbufs', path]);
    },
    discard: (offset, length) => discard(offset, length),
    writeZeroes: (offset, length) => discard(offset, length, '--zeroout'),
    close: () => handle.close(),
  };
}
