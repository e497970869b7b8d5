import { constants as osConstants } from 'node:os';
import { debuglog } from 'node:util';
import { type Disk, DiskError } from '@diskferry/protocol/disk';
import { BufferPool } from '../buffer-pool.ts';
import type { LendingDisk } from '../disk/lending-disk.ts';
import { FuseConnection } from './connection.ts';
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
  OUT_HEADER_SIZE,
  REQUEST_BUFFER_SIZE,
  type RequestHeader,
  type Transfer,
  writePayload,
  writeReplyHeader,
} from './wire.ts';

const debug = debuglog('diskferry:fuse');

/** The granularity of discards that the loop device above will offer, in bytes. */
const DISCARD_GRANULARITY = 4096;

const { EIO, ENOSYS } = osConstants.errno;

type Reply = Uint8Array | 'none';

/**
 * Serves a disk as one regular file to the kernel's FUSE driver until it is unmounted.
 *
 * The event loop must stay free while the mount is set up, and must not read the mount: it would wait for itself.
 *
 * @param fd an open, non-blocking /dev/fuse; it is closed at the end
 * @returns when the file is unmounted and every request under way is answered
 */
export async function serveFuse(fd: number, disk: LendingDisk): Promise<void> {
  const connection = new FuseConnection(fd);
  const buffers = new BufferPool(REQUEST_BUFFER_SIZE);
  const pending = new Set<Promise<void>>();
  let next = buffers.take();

  await connection.receive({
    buffer: () => next,
    received(length) {
      const buffer = next;
      const request = buffer.subarray(0, length);
      const header = decodeHeader(request);
      if (header.opcode === Opcode.READ) {
        // Only numbers are taken out of the request, so its buffer is free for the next one.
        track(answerRead(header, decodeTransfer(request)));
      } else {
        next = buffers.take();
        track(answer(header, request).finally(() => buffers.give(buffer)));
      }
    },
  });
  await Promise.all(pending);

  function track(answered: Promise<void>): void {
    pending.add(answered);
    void answered.finally(() => pending.delete(answered));
  }

  async function answer(header: RequestHeader, request: Buffer): Promise<void> {
    try {
      const reply = await perform(disk, header, request);
      if (reply === 'none') return;
      connection.send([encodeReplyHeader(header.unique, 0, reply.length), reply]);
    } catch (error) {
      sendError(header, error);
    }
  }

  async function answerRead(header: RequestHeader, { offset, size }: Transfer): Promise<void> {
    try {
      // A read across the end is answered short, as for any file; the loop device never asks for one.
      const length = Math.max(0, Math.min(size, disk.size - offset));
      refuseMisaligned(disk, offset, length);
      const lent = disk.lend?.(offset, length, (parts) =>
        connection.send([encodeReplyHeader(header.unique, 0, length), ...parts]),
      );
      if (lent !== undefined && (await lent)) return;
      await readAndSend(header, offset, length);
    } catch (error) {
      sendError(header, error);
    }
  }

  /** Header and bytes leave in one piece, which costs less than two for small reads. */
  async function readAndSend({ unique }: RequestHeader, offset: number, length: number): Promise<void> {
    const buffer = buffers.take();
    try {
      const reply = buffer.subarray(0, OUT_HEADER_SIZE + length);
      writeReplyHeader(reply, unique, 0, length);
      if (length > 0) await disk.read(offset, reply.subarray(OUT_HEADER_SIZE));
      connection.send(reply);
    } finally {
      buffers.give(buffer);
    }
  }

  function sendError(header: RequestHeader, error: unknown): void {
    const errno = errnoOf(error);
    if (errno !== ENOSYS) debug('%s failed: %s', opcodeName(header.opcode), error);
    connection.send(encodeReplyHeader(header.unique, errno, 0));
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

function errnoOf(error: unknown): number {
  if (!(error instanceof DiskError)) return EIO;
  const known: Readonly<Record<string, number>> = osConstants.errno;
  return known[error.errno] ?? EIO;
}
