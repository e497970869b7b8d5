import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskError } from '@diskferry/protocol/disk';

/** ext4 ends a file just short of 16 TiB, so a layer that large needs more than one. */
const SEGMENT_BYTES = 8 * 2 ** 40;

/** Bytes that vanish with the process: sparse files without a name. */
export interface ScratchFile {
  /** Fills `target` from `offset`; what was never written reads as anything. */
  read(offset: number, target: Uint8Array): Promise<void>;
  /** @throws {DiskError} `ENOSPC` when the folder's file system is full */
  write(offset: number, data: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens an empty scratch file of any size.
 *
 * @param folder on a file system with room for what will be written, not one in memory
 */
export function openScratchFile(folder: string, { segmentBytes = SEGMENT_BYTES } = {}): ScratchFile {
  const segments = new Map<number, Promise<FileHandle>>();

  function segment(index: number): Promise<FileHandle> {
    const handle = segments.get(index) ?? openUnnamed(folder);
    segments.set(index, handle);
    return handle;
  }

  async function transfer(
    offset: number,
    bytes: Uint8Array,
    move: (handle: FileHandle, part: Uint8Array, position: number) => Promise<number>,
  ): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const position = (offset + done) % segmentBytes;
      const handle = await segment(Math.floor((offset + done) / segmentBytes));
      const part = bytes.subarray(done, done + Math.min(bytes.length - done, segmentBytes - position));
      done += await move(handle, part, position);
    }
  }

  return {
    read: (offset, target) =>
      transfer(offset, target, async (handle, part, position) => {
        const { bytesRead } = await handle.read(part, 0, part.length, position);
        if (bytesRead === 0)
          throw new DiskError('EIO', 'the scratch file is shorter than what was written to it');
        return bytesRead;
      }),
    write: (offset, data) =>
      transfer(offset, data, async (handle, part, position) => {
        try {
          return (await handle.write(part, 0, part.length, position)).bytesWritten;
        } catch (cause) {
          throw writeError(folder, cause as NodeJS.ErrnoException);
        }
      }),
    async close() {
      for (const handle of segments.values()) await (await handle).close();
      segments.clear();
    },
  };
}

/** A file that has no name any more: the kernel gives its space back when this process ends, however it ends. */
async function openUnnamed(folder: string): Promise<FileHandle> {
  const own = await mkdtemp(join(folder, 'diskferry-layer-'));
  try {
    return await open(join(own, 'scratch'), 'wx+', 0o600);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

function writeError(folder: string, cause: NodeJS.ErrnoException): DiskError {
  const errno = cause.code ?? 'EIO';
  const advice = errno === 'ENOSPC' ? '; make room there, or name another folder in DISKFERRY_SCRATCH' : '';
  return new DiskError(errno, `the copy-on-write layer in ${folder} cannot be written (${errno})${advice}`, {
    cause,
  });
}
