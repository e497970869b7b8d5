import { parentPort } from 'node:worker_threads';
import { callForRange, type RangeCall } from './range-calls.ts';

/** What the main thread wants done. */
export interface RangeOrder {
  readonly id: number;
  readonly call: RangeCall;
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
}

/** What came of it. */
export interface RangeResult {
  readonly id: number;
  /** Name of the error, such as "EIO"; absent if it went well. */
  readonly errno?: string;
}

// This is the main module of a thread of its own, where calls may wait for a disk.
parentPort?.on('message', (order: RangeOrder) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  parentPort?.postMessage(carryOut(order));
});

function carryOut({ id, call, fd, offset, length }: RangeOrder): RangeResult {
  try {
    callForRange(call, fd, offset, length);
    return { id };
  } catch (error) {
    return { id, errno: (error as NodeJS.ErrnoException).code ?? 'EIO' };
  }
}
