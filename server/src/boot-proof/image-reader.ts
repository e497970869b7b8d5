import { connectNbd } from '@diskferry/protocol/nbd/client';
import { HeldResources } from '@diskferry/server-adapter/held-resources';
import { serveImage } from '@diskferry/server-adapter/image/qemu-nbd';
import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import type { Session } from '@diskferry/system/session';

export interface Image {
  readonly path: string;
  readonly format: ImageFormat;
}

/** Reads parts of a disk, such as its partition table. */
export interface DiskReader {
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: { readonly logical: number; readonly physical: number };
  read(offset: number, length: number): Promise<Buffer>;
}

/**
 * Opens an image for reading while `work` runs.
 *
 * @throws {CommandError} when the image cannot be opened
 */
export async function withImageReader<T>(
  image: Image,
  { session, sectorSize, signal }: { session: Session; sectorSize: number; signal: AbortSignal | undefined },
  work: (reader: DiskReader) => Promise<T>,
): Promise<T> {
  const held = new HeldResources(session);
  try {
    const address = await serveImage(held, { ...image, readOnly: true, folder: session.folder });
    const disk = await connectNbd(address, signal === undefined ? {} : { signal });
    try {
      return await work({
        size: disk.size,
        sectorSize: { logical: sectorSize, physical: sectorSize },
        read: async (offset, length) => {
          const bytes = Buffer.alloc(length);
          await disk.read(offset, bytes);
          return bytes;
        },
      });
    } finally {
      await disk.close();
    }
  } finally {
    await held.releaseAll();
  }
}
