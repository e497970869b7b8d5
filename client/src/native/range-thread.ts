import { join } from 'node:path';
import { getAsset, isSea } from 'node:sea';
import { Worker } from 'node:worker_threads';
import { libc } from './libc.ts';
import type { RangeCall } from './range-calls.ts';
import type { RangeOrder, RangeResult } from './range-worker.ts';

/** Name of the thread's program in the executable; client/build.ts puts it there. */
const WORKER_ASSET = 'range-worker.cjs';

/** In MB: the thread holds a few small objects. With less, its program could not be loaded. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 };

/**
 * Longer ranges are done in pieces of this size, so that a slow disk does not keep the others' ranges waiting for
 * minutes.
 */
const PIECE_BYTES = 1024 * 1024 * 1024;

/** The thread that makes the calls of {@link RangeCall}: it is started by the first of them. */
class RangeThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  #lastId = 0;

  constructor() {
    const options = { resourceLimits: WORKER_LIMITS, name: 'ranges' };
    this.#worker = isSea()
      ? new Worker(getAsset(WORKER_ASSET, 'utf8'), { ...options, eval: true })
      : new Worker(join(import.meta.dirname, 'range-worker.ts'), options);
    this.#worker.on('message', (result: RangeResult) => this.#settle(result));
    this.#worker.on('error', (cause) => this.#fail(cause));
    this.#worker.unref();
  }

  call(order: Omit<RangeOrder, 'id'>): Promise<void> {
    const id = ++this.#lastId;
    // The program does not end before its disks have done what was asked of them.
    this.#worker.ref();
    const waiting = Promise.withResolvers<void>();
    this.#waiting.set(id, waiting);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
    this.#worker.postMessage({ ...order, id } satisfies RangeOrder);
    return waiting.promise;
  }

  #settle({ id, errno }: RangeResult): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (errno === undefined) waiting?.resolve();
    else waiting?.reject(Object.assign(new Error(errno), { code: errno }));
  }

  #fail(cause: unknown): void {
    if (thread === this) thread = undefined;
    const error = Object.assign(new Error('the thread for ranges has ended', { cause }), { code: 'EIO' });
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

let thread: RangeThread | undefined;

/**
 * Does to a range of an open file or block device what {@link RangeCall} says, and leaves the main thread free. The
 * file must stay open until then.
 *
 * @throws {NodeJS.ErrnoException} with code ENOTSUP where it cannot be done; then nothing, or whole GiB from the
 *   beginning, were done
 */
export async function changeRange(
  call: RangeCall,
  { fd, offset, length }: { readonly fd: number; readonly offset: number; readonly length: number },
): Promise<void> {
  if (libc === undefined) throw Object.assign(new Error('no native calls'), { code: 'ENOTSUP' });
  for (let done = 0; done < length; done += PIECE_BYTES) {
    thread ??= new RangeThread();
    const piece = Math.min(PIECE_BYTES, length - done);
    await thread.call({ call, fd, offset: offset + done, length: piece });
  }
}
