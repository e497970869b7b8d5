import { addAbortListener } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { DiskferryError } from '@diskferry/system/errors';

export interface DigestWork {
  /** File descriptors. */
  readonly source: number;
  readonly target: number | undefined;
}

export type DigestMessage =
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'end'; readonly bytes: number; readonly sha256: string };

export interface DigestOptions {
  /** Empty; gets what is read, without blocks of zeros. */
  readonly copyTo?: FileHandle | undefined;
  /** Called with how many bytes are read, some times a second on a fast disk. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * SHA-256 of a file, in a thread of its own.
 *
 * @returns hexadecimal digits, and how many bytes they are of
 * @throws {DiskferryError} `FILE_CHANGED` if the file changed meanwhile; what reading and writing throw; the reason of the
 * signal
 */
export async function digestFile(
  file: FileHandle,
  { copyTo, onProgress, signal }: DigestOptions = {},
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  signal?.throwIfAborted();
  const before = await file.stat();
  const workerData: DigestWork = { source: file.fd, target: copyTo?.fd };
  const worker = new Worker(new URL('digest-worker.ts', import.meta.url), { workerData });
  using aborted = new DisposableStack();
  const result = new Promise<{ sha256: string; bytes: number }>((resolve, reject) => {
    worker.on('message', (message: DigestMessage) => {
      if (message.kind === 'end') resolve(message);
      onProgress?.(message.bytes);
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`the thread that reads the file ended with ${code}`)));
    if (signal !== undefined) aborted.use(addAbortListener(signal, () => reject(signal.reason as Error)));
  });
  try {
    const { sha256, bytes } = await result;
    const after = await file.stat();
    if (after.size !== bytes || after.mtimeMs !== before.mtimeMs || after.size !== before.size) {
      throw new DiskferryError(
        'FILE_CHANGED',
        'the file was written to while it was read; stop what writes to it, then try again',
      );
    }
    return { sha256, bytes };
  } finally {
    // Not before the thread has ended may its descriptors be closed: their numbers would become those of other files.
    await worker.terminate();
  }
}
