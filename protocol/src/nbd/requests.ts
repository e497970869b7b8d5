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
  return {
    flags: buffer.readUInt16BE(4),
    type: buffer.readUInt16BE(6),
    cookie: buffer.readBigUInt64BE(8),
    offset: readOffset(buffer, 16),
    length: readOffset(buffer, 24),
  };
}
