import {
  NBD_SIMPLE_REPLY_MAGIC,
  NBD_STRUCTURED_REPLY_MAGIC,
  REPLY_FLAG,
  REPLY_TYPE,
  replyTypeName,
} from './constants.ts';
import { protocolError } from './nbd-error.ts';
import { encodeText, readOffset, readString, writeOffset } from './wire.ts';

/** 4 bytes NBD_SIMPLE_REPLY_MAGIC, 4 error, 8 cookie; data follows the reply to a successful READ. */
export const SIMPLE_REPLY_BYTES = 16;
/** 4 bytes NBD_STRUCTURED_REPLY_MAGIC, 2 flags, 2 type, 8 cookie, 4 length; then the payload. */
export const CHUNK_HEADER_BYTES = 20;
/** The payload of OFFSET_DATA starts with 8 bytes offset; the data follows. */
export const DATA_OFFSET_BYTES = 8;
/** Payload of OFFSET_HOLE: 8 bytes offset, 4 bytes size. */
export const HOLE_BYTES = 12;
/** Payload of ERROR: 4 bytes error, 2 bytes length of the text, text; ERROR_OFFSET has 8 bytes offset behind it. */
export const MIN_ERROR_BYTES = 6;

export interface SimpleReply {
  /** A value of {@link ERROR}, or 0. */
  readonly error: number;
  readonly cookie: bigint;
}

export interface ChunkHeader {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  /** Bytes of payload. */
  readonly length: number;
}

/** Why a request failed, in the server's words. */
export interface ReplyError {
  /** A value of {@link ERROR}. */
  readonly error: number;
  readonly message: string;
}

/** Writes the header of a simple reply to `target` at `at`. */
export function writeSimpleReply(target: Buffer, at: number, cookie: bigint, error: number): void {
  target.writeUInt32BE(NBD_SIMPLE_REPLY_MAGIC, at);
  target.writeUInt32BE(error, at + 4);
  target.writeBigUInt64BE(cookie, at + 8);
}

export function encodeSimpleReply(cookie: bigint, error: number): Buffer {
  const buffer = Buffer.allocUnsafe(SIMPLE_REPLY_BYTES);
  writeSimpleReply(buffer, 0, cookie, error);
  return buffer;
}

/** Decodes what follows the magic number, which the decoder has checked. */
export function decodeSimpleReply(buffer: Buffer): SimpleReply {
  return { error: buffer.readUInt32BE(4), cookie: buffer.readBigUInt64BE(8) };
}

function writeChunkHeader(target: Buffer, at: number, { flags, type, cookie, length }: ChunkHeader): void {
  target.writeUInt32BE(NBD_STRUCTURED_REPLY_MAGIC, at);
  target.writeUInt16BE(flags, at + 4);
  target.writeUInt16BE(type, at + 6);
  target.writeBigUInt64BE(cookie, at + 8);
  target.writeUInt32BE(length, at + 16);
}

/** Decodes what follows the magic number, which the decoder has checked. */
export function decodeChunkHeader(buffer: Buffer): ChunkHeader {
  return {
    flags: buffer.readUInt16BE(4),
    type: buffer.readUInt16BE(6),
    cookie: buffer.readBigUInt64BE(8),
    length: buffer.readUInt32BE(16),
  };
}

/** Writes all of a final OFFSET_DATA chunk but its data, which has `length` bytes, to `target` at `at`. */
export function writeDataChunk(
  target: Buffer,
  at: number,
  cookie: bigint,
  offset: number,
  length: number,
): void {
  writeChunkHeader(target, at, {
    flags: REPLY_FLAG.DONE,
    type: REPLY_TYPE.OFFSET_DATA,
    cookie,
    length: DATA_OFFSET_BYTES + length,
  });
  writeOffset(target, offset, at + CHUNK_HEADER_BYTES);
}

export function encodeDataChunk(
  cookie: bigint,
  offset: number,
  data: Uint8Array,
  { done = true } = {},
): Buffer {
  const buffer = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + DATA_OFFSET_BYTES + data.length);
  writeDataChunk(buffer, 0, cookie, offset, data.length);
  if (!done) buffer.writeUInt16BE(0, 4);
  buffer.set(data, CHUNK_HEADER_BYTES + DATA_OFFSET_BYTES);
  return buffer;
}

export function encodeHoleChunk(
  cookie: bigint,
  offset: number,
  length: number,
  { done = true } = {},
): Buffer {
  const buffer = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + HOLE_BYTES);
  const flags = done ? REPLY_FLAG.DONE : 0;
  writeChunkHeader(buffer, 0, { flags, type: REPLY_TYPE.OFFSET_HOLE, cookie, length: HOLE_BYTES });
  writeOffset(buffer, offset, CHUNK_HEADER_BYTES);
  buffer.writeUInt32BE(length, CHUNK_HEADER_BYTES + 8);
  return buffer;
}

/** The end of a reply whose chunks were all sent without DONE. */
export function encodeNoneChunk(cookie: bigint): Buffer {
  const buffer = Buffer.allocUnsafe(CHUNK_HEADER_BYTES);
  writeChunkHeader(buffer, 0, { flags: REPLY_FLAG.DONE, type: REPLY_TYPE.NONE, cookie, length: 0 });
  return buffer;
}

/** An ERROR chunk, or ERROR_OFFSET if it is known where; the last chunk of its reply unless `done` is false. */
export function encodeErrorChunk(
  cookie: bigint,
  { error, message }: ReplyError,
  { offset, done = true }: { readonly offset?: number; readonly done?: boolean } = {},
): Buffer {
  const text = encodeText(message);
  const length = MIN_ERROR_BYTES + text.length + (offset === undefined ? 0 : 8);
  const type = offset === undefined ? REPLY_TYPE.ERROR : REPLY_TYPE.ERROR_OFFSET;
  const buffer = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + length);
  writeChunkHeader(buffer, 0, { flags: done ? REPLY_FLAG.DONE : 0, type, cookie, length });
  buffer.writeUInt32BE(error, CHUNK_HEADER_BYTES);
  buffer.writeUInt16BE(text.length, CHUNK_HEADER_BYTES + 4);
  buffer.set(text, CHUNK_HEADER_BYTES + MIN_ERROR_BYTES);
  if (offset !== undefined) writeOffset(buffer, offset, CHUNK_HEADER_BYTES + MIN_ERROR_BYTES + text.length);
  return buffer;
}

/**
 * The payload of any error chunk; types that are not known start in the same way.
 *
 * @throws {NbdError} `NBD_PROTOCOL`
 */
export function decodeErrorPayload(type: number, payload: Buffer): ReplyError & { readonly offset?: number } {
  const textEnd = payload.length < MIN_ERROR_BYTES ? Number.NaN : MIN_ERROR_BYTES + payload.readUInt16BE(4);
  const end = textEnd + (type === REPLY_TYPE.ERROR_OFFSET ? 8 : 0);
  const error = end <= payload.length ? payload.readUInt32BE(0) : 0;
  if (error === 0) throw protocolError(`the payload of ${replyTypeName(type)} makes no sense`);
  const message = readString(payload, MIN_ERROR_BYTES, textEnd);
  return type === REPLY_TYPE.ERROR_OFFSET
    ? { error, message, offset: readOffset(payload, textEnd) }
    : { error, message };
}
