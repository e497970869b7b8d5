import { NBD_EXTENDED_REQUEST_MAGIC, NBD_REQUEST_MAGIC } from './constants.ts';
import { protocolError } from './nbd-error.ts';
import { readOffset, writeOffset } from './wire.ts';

/** 4 bytes NBD_REQUEST_MAGIC, 2 command flags, 2 type, 8 cookie, 8 offset, 4 length; data follows a WRITE. */
export const REQUEST_BYTES = 28;
/** The same with NBD_EXTENDED_REQUEST_MAGIC and 8 bytes length; data follows if the flags hold PAYLOAD_LEN. */
export const EXTENDED_REQUEST_BYTES = 32;

export interface Request {
  readonly flags: number;
  readonly type: number;
  /** Chosen by the client; the reply carries it. */
  readonly cookie: bigint;
  /** Bytes; not exact beyond 2^53, which no disk reaches. */
  readonly offset: number;
  /** Bytes; not exact beyond 2^53, like the offset, with extended headers. */
  readonly length: number;
  /** The exact offset where {@link offset} is not, for the header of an extended reply, which must repeat it. */
  readonly exactOffset?: bigint;
}

export function encodeRequest({ flags, type, cookie, offset, length }: Request): Buffer {
  const buffer = Buffer.allocUnsafe(REQUEST_BYTES);
  buffer.writeUInt32BE(NBD_REQUEST_MAGIC, 0);
  buffer.writeUInt16BE(flags, 4);
  buffer.writeUInt16BE(type, 6);
  buffer.writeBigUInt64BE(cookie, 8);
  writeOffset(buffer, offset, 16);
  buffer.writeUInt32BE(length, 24);
  return buffer;
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeRequest(buffer: Buffer): Request {
  if (buffer.readUInt32BE(0) !== NBD_REQUEST_MAGIC) throw protocolError('a request has no magic number');
  return {
    flags: buffer.readUInt16BE(4),
    type: buffer.readUInt16BE(6),
    cookie: buffer.readBigUInt64BE(8),
    offset: readOffset(buffer, 16),
    length: buffer.readUInt32BE(24),
  };
}

export function encodeExtendedRequest({ flags, type, cookie, offset, length }: Request): Buffer {
  const buffer = Buffer.allocUnsafe(EXTENDED_REQUEST_BYTES);
  buffer.writeUInt32BE(NBD_EXTENDED_REQUEST_MAGIC, 0);
  buffer.writeUInt16BE(flags, 4);
  buffer.writeUInt16BE(type, 6);
  buffer.writeBigUInt64BE(cookie, 8);
  writeOffset(buffer, offset, 16);
  writeOffset(buffer, length, 24);
  return buffer;
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeExtendedRequest(buffer: Buffer): Request {
  if (buffer.readUInt32BE(0) !== NBD_EXTENDED_REQUEST_MAGIC) {
    throw protocolError('a request has no magic number of extended headers');
  }
  const offset = readOffset(buffer, 16);
  return {
    flags: buffer.readUInt16BE(4),
    type: buffer.readUInt16BE(6),
    cookie: buffer.readBigUInt64BE(8),
    offset,
    length: readOffset(buffer, 24),
    ...(Number.isSafeInteger(offset) ? {} : { exactOffset: buffer.readBigUInt64BE(16) }),
  };
}

/** Payload of BLOCK_STATUS: 8 bytes length of the range, then 4 bytes for each context that is asked for. */
export interface StatusFilter {
  /** Bytes; not exact beyond 2^53. */
  readonly length: number;
  readonly contextIds: readonly number[];
}

/** Length of a {@link StatusFilter} for so many contexts, in bytes. */
export function statusFilterBytes(contexts: number): number {
  return 8 + 4 * contexts;
}

export function encodeStatusFilter({ length, contextIds }: StatusFilter): Buffer {
  const buffer = Buffer.allocUnsafe(statusFilterBytes(contextIds.length));
  writeOffset(buffer, length, 0);
  for (const [index, id] of contextIds.entries()) buffer.writeUInt32BE(id, statusFilterBytes(index));
  return buffer;
}

/** Decodes a payload of a length that {@link statusFilterBytes} gives. */
export function decodeStatusFilter(payload: Buffer): StatusFilter {
  const count = (payload.length - statusFilterBytes(0)) / 4;
  const contextIds = Array.from({ length: count }, (_, index) =>
    payload.readUInt32BE(statusFilterBytes(index)),
  );
  return { length: readOffset(payload, 0), contextIds };
}
