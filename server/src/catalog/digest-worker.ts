import { createHash } from 'node:crypto';
import { ftruncateSync, readSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { DigestMessage, DigestWork } from './digest-file.ts';

/** Large enough for the speed of disks, small enough for the caches of processors. */
const CHUNK_BYTES = 1024 * 1024;
/** Zeros are found and left out in such units: the clusters of most file systems divide it. */
const HOLE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(HOLE_BYTES);
const REPORT_BYTES = 16 * CHUNK_BYTES;

/*
 * Reads a file from beginning to end, and writes it to another one if there is one. A thread of its own, so that the
 * server answers meanwhile. The descriptors belong to the thread that started it, which waits for its end.
 */
const { source, target } = workerData as DigestWork;
const hash = createHash('sha256');
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
let bytes = 0;
let reported = 0;
for (;;) {
  const length = readSync(source, chunk, 0, CHUNK_BYTES, bytes);
  if (length === 0) break;
  hash.update(chunk.subarray(0, length));
  if (target !== undefined) writeWithoutZeros(target, chunk.subarray(0, length), bytes);
  bytes += length;
  if (bytes - reported >= REPORT_BYTES) {
    reported = bytes;
    report({ kind: 'progress', bytes });
  }
}
if (target !== undefined) ftruncateSync(target, bytes);
report({ kind: 'end', bytes, sha256: hash.digest('hex') });

function writeWithoutZeros(descriptor: number, data: Buffer, position: number): void {
  for (let start = 0; start < data.length; start += HOLE_BYTES) {
    const part = data.subarray(start, start + HOLE_BYTES);
    if (part.equals(ZEROS.subarray(0, part.length))) continue;
    for (let written = 0; written < part.length; ) {
      written += writeSync(descriptor, part, written, part.length - written, position + start + written);
    }
  }
}

function report(message: DigestMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  parentPort?.postMessage(message);
}
