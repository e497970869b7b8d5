import { read, writevSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { debuglog } from 'node:util';
import { type Disk, DiskError } from '@diskferry/protocol/disk';
import { BufferPool } from './buffer-pool.ts';
import {
  decodeFallocate,
  decodeHeader,
  decodeInit,
  decodeTransfer,
  encodeAttributes,
  encodeInit,
  encodeOpen,
  encodeReplyHeader,
  encodeStatfs,
  encodeWritten,
  FallocateMode,
  Opcode,
  opcodeName,
  REQUEST_BUFFER_SIZE,
  type RequestHeader,
  writePayload,
} from './wire.ts';

const debug = debuglog('diskferry:fuse');

/** Blocking reads of /dev/fuse that wait at once; each takes one thread of libuv's pool. */
export const READERS = 4;
/** The granularity of discards that the loop device above will offer, in bytes. */
const DISCARD_GRANULARITY = 4096;

/** How often to try to read while mount(8) has not yet joined the descriptor to a mount, in ms. */
const MOUNT_POLL_MS = 5;

const { EIO, ENOSYS } = osConstants.errno;

type Reply = Uint8Array | 'none';

/**
 * Serves a disk as one regular file to the kernel's FUSE driver until it is unmounted.
 *
 * The event loop must stay free while the mount is set up, and nothing in this process may read the mount: its pool
 * threads could all wait for an answer that needs one of them.
 *
 * @param fd an open /dev/fuse
 * @returns when the file is unmounted and every request under way is answered
 */
export async function serveFuse(fd: number, disk: Disk): Promise<void> {
  const buffers = new BufferPool(REQUEST_BUFFER_SIZE);
  const pending = new Set<Promise<void>>();

  async function pump(): Promise<void> {
    for (;;) {
      const buffer = buffers.take();
      const length = await readRequest(fd, buffer);
      if (length === 'unmounted') return;
      if (length === 'again' || length === 'not mounted yet') {
        buffers.give(buffer);
        if (length === 'not mounted yet') await sleep(MOUNT_POLL_MS);
        continue;
      }
      const answered = answer(fd, disk, buffer.subarray(0, length), buffers).finally(() => {
        buffers.give(buffer);
        pending.delete(answered);
      });
      pending.add(answered);
    }
  }

  await Promise.all(Array.from({ length: READERS }, pump));
  await Promise.all(pending);
}

type ReadOutcome = number | 'again' | 'not mounted yet' | 'unmounted';

function readRequest(fd: number, buffer: Buffer): Promise<ReadOutcome> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, null, (error, bytesRead) => {
      if (error === null) return resolve(bytesRead);
      // ENODEV: unmounted. ENOENT: the request was interrupted before it was read. EINTR, EAGAIN: nothing happened.
      if (error.code === 'ENODEV') return resolve('unmounted');
      if (error.code === 'ENOENT' || error.code === 'EINTR' || error.code === 'EAGAIN')
        return resolve('again');
      if (error.code === 'EPERM') return resolve('not mounted yet');
      reject(error);
    });
  });
}

async function answer(fd: number, disk: Disk, request: Buffer, buffers: BufferPool): Promise<void> {
  const header = decodeHeader(request);
  if (header.opcode === Opcode.READ) return answerRead(fd, disk, header, request, buffers);
  try {
    const reply = await perform(disk, header, request);
    if (reply !== 'none') send(fd, header, 0, reply);
  } catch (error) {
    sendError(fd, header, error);
  }
}

async function answerRead(
  fd: number,
  disk: Disk,
  header: RequestHeader,
  request: Buffer,
  buffers: BufferPool,
): Promise<void> {
  const { offset, size } = decodeTransfer(request);
  const buffer = buffers.take();
  try {
    // A read across the end is answered short, as for any file; the loop device never asks for one.
    const target = buffer.subarray(0, Math.max(0, Math.min(size, disk.size - offset)));
    refuseMisaligned(disk, offset, target.length);
    if (target.length > 0) await disk.read(offset, target);
    send(fd, header, 0, target);
  } catch (error) {
    sendError(fd, header, error);
  } finally {
    buffers.give(buffer);
  }
}

const NOTHING = new Uint8Array(0);

async function perform(disk: Disk, header: RequestHeader, request: Buffer): Promise<Reply> {
  switch (header.opcode) {
    case Opcode.INIT:
      return encodeInit(decodeInit(request));
    case Opcode.GETATTR:
    // Times and modes of the file have no meaning: SETATTR is accepted and changes nothing.
    case Opcode.SETATTR:
      return encodeAttributes(disk.size, disk.sectorSize.physical);
    case Opcode.OPEN:
      return encodeOpen();
    case Opcode.STATFS:
      return encodeStatfs(disk.size, Math.max(DISCARD_GRANULARITY, disk.sectorSize.logical));
    case Opcode.WRITE:
      return write(disk, request);
    case Opcode.FALLOCATE:
      return fallocate(disk, request);
    case Opcode.FSYNC:
    case Opcode.FLUSH:
      if (!disk.readOnly) await disk.flush();
      return NOTHING;
    case Opcode.RELEASE:
    case Opcode.ACCESS:
    case Opcode.DESTROY:
      return NOTHING;
    case Opcode.FORGET:
    case Opcode.BATCH_FORGET:
      return 'none';
    default:
      // Also the answer to INTERRUPT: the kernel then sends no more of them.
      throw new DiskError('ENOSYS', `${opcodeName(header.opcode)} is not offered`);
  }
}

async function write(disk: Disk, request: Buffer): Promise<Uint8Array> {
  const { offset, size } = decodeTransfer(request);
  refuseMisaligned(disk, offset, size);
  refuseOutside(disk, offset, size);
  await disk.write(offset, writePayload(request, size));
  return encodeWritten(size);
}

/**
 * The loop device turns both a discard and a "write zeroes, may unmap" into PUNCH_HOLE, and the second must read as
 * zeros afterwards: so a hole is punched by writeZeroes, never by discard.
 */
async function fallocate(disk: Disk, request: Buffer): Promise<Uint8Array> {
  const { offset, length, mode } = decodeFallocate(request);
  const mayPunch = (mode & FallocateMode.PUNCH_HOLE) !== 0;
  if (!mayPunch && (mode & FallocateMode.ZERO_RANGE) === 0) {
    throw new DiskError('EOPNOTSUPP', `fallocate mode ${mode} is not offered`);
  }
  refuseMisaligned(disk, offset, length);
  refuseOutside(disk, offset, length);
  await disk.writeZeroes(offset, length, { mayPunch });
  return NOTHING;
}

function refuseMisaligned(disk: Disk, offset: number, length: number): void {
  const { logical } = disk.sectorSize;
  if (offset % logical === 0 && length % logical === 0) return;
  throw new DiskError('EINVAL', `${length} bytes at ${offset} are not whole sectors of ${logical} bytes`);
}

function refuseOutside(disk: Disk, offset: number, length: number): void {
  if (offset + length <= disk.size) return;
  throw new DiskError(
    'ENOSPC',
    `${length} bytes at ${offset} lie beyond the end of the disk, ${disk.size} bytes`,
  );
}

function send(fd: number, header: RequestHeader, error: number, body: Uint8Array): void {
  try {
    // Synchronous: it never waits, and the pool's threads may all be busy reading requests.
    writevSync(fd, [encodeReplyHeader(header.unique, error, body.length), body]);
  } catch (failure) {
    // ENOENT: nobody waits for this answer any more. ENODEV: unmounted in the meantime.
    debug('answer to %s dropped: %s', opcodeName(header.opcode), failure);
  }
}

function sendError(fd: number, header: RequestHeader, error: unknown): void {
  const errno = errnoOf(error);
  if (errno !== ENOSYS) debug('%s failed: %s', opcodeName(header.opcode), error);
  send(fd, header, errno, NOTHING);
}

function errnoOf(error: unknown): number {
  if (!(error instanceof DiskError)) return EIO;
  const known: Readonly<Record<string, number>> = osConstants.errno;
  return known[error.errno] ?? EIO;
}
