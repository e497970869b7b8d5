import {
  NBD_EXTENDED_REPLY_MAGIC,
  NBD_SIMPLE_REPLY_MAGIC,
  NBD_STRUCTURED_REPLY_MAGIC,
  REPLY_FLAG,
  REPLY_TYPE,
  replyTypeName,
} from './constants.ts';
import { type BlockStatus, blockStatusBytes, writeBlockStatus } from './block-status.ts';
import { protocolError } from './nbd-error.ts';
import { encodeText, readOffset, readString, writeOffset } from './wire.ts';

/** 4 bytes NBD_SIMPLE_REPLY_MAGIC, 4 error, 8 cookie; data follows the reply to a successful READ. */
export const SIMPLE_REPLY_BYTES = 16;
/** 4 bytes NBD_STRUCTURED_REPLY_MAGIC, 2 flags, 2 type, 8 cookie, 4 length; then the payload. */
export const CHUNK_HEADER_BYTES = 20;
/** 4 bytes NBD_EXTENDED_REPLY_MAGIC, 2 flags, 2 type, 8 cookie, 8 offset of the request, 8 length; then the payload. */
export const EXTENDED_CHUNK_HEADER_BYTES = 32;
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

/** The header of a chunk if extended headers were agreed on. */
export interface ExtendedChunkHeader extends ChunkHeader {
  /** Bytes: the offset of the request. */
  readonly requestOffset: number;
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

/** How a reply is sent. */
export interface ChunkOptions {
  /** This is the last chunk of the reply; true if absent. */
  readonly done?: boolean | undefined;
  /** Bytes; the offset of the request, which belongs into the header if extended headers were agreed on. */
  readonly requestOffset?: number | bigint | undefined;
}

/** Bytes in front of the payload of a chunk. */
export function chunkHeaderBytes({ requestOffset }: ChunkOptions): number {
  return requestOffset === undefined ? CHUNK_HEADER_BYTES : EXTENDED_CHUNK_HEADER_BYTES;
}

interface ChunkOfReply {
  readonly type: number;
  readonly cookie: bigint;
  /** Bytes of payload. */
  readonly length: number;
}

/** Writes a header to `target` at `at`; returns where the payload starts. */
function writeChunkHeader(
  target: Buffer,
  at: number,
  { type, cookie, length }: ChunkOfReply,
  { done = true, requestOffset }: ChunkOptions,
): number {
  target.writeUInt32BE(
    requestOffset === undefined ? NBD_STRUCTURED_REPLY_MAGIC : NBD_EXTENDED_REPLY_MAGIC,
    at,
  );
  target.writeUInt16BE(done ? REPLY_FLAG.DONE : 0, at + 4);
  target.writeUInt16BE(type, at + 6);
  target.writeBigUInt64BE(cookie, at + 8);
  if (requestOffset === undefined) {
    target.writeUInt32BE(length, at + 16);
    return at + CHUNK_HEADER_BYTES;
  }
  if (typeof requestOffset === 'bigint') target.writeBigUInt64BE(requestOffset, at + 16);
  else writeOffset(target, requestOffset, at + 16);
  writeOffset(target, length, at + 24);
  return at + EXTENDED_CHUNK_HEADER_BYTES;
}

/** A chunk with room for its payload, which starts behind the header. */
function encodeChunk(chunk: ChunkOfReply, options: ChunkOptions): { buffer: Buffer; start: number } {
  const buffer = Buffer.allocUnsafe(chunkHeaderBytes(options) + chunk.length);
  return { buffer, start: writeChunkHeader(buffer, 0, chunk, options) };
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

/** Decodes what follows the magic number, which the decoder has checked. */
export function decodeExtendedChunkHeader(buffer: Buffer): ExtendedChunkHeader {
  return {
    flags: buffer.readUInt16BE(4),
    type: buffer.readUInt16BE(6),
    cookie: buffer.readBigUInt64BE(8),
    requestOffset: readOffset(buffer, 16),
    length: readOffset(buffer, 24),
  };
}

/** Writes all of an OFFSET_DATA chunk but its data, which has `length` bytes, to `target` at `at`. */
export function writeDataChunk(
  target: Buffer,
  at: number,
  { cookie, offset, length }: { readonly cookie: bigint; readonly offset: number; readonly length: number },
  options: ChunkOptions = {},
): void {
  const chunk = { type: REPLY_TYPE.OFFSET_DATA, cookie, length: DATA_OFFSET_BYTES + length };
  writeOffset(target, offset, writeChunkHeader(target, at, chunk, options));
}

export function encodeDataChunk(
  cookie: bigint,
  offset: number,
  data: Uint8Array,
  options: ChunkOptions = {},
): Buffer {
  const start = chunkHeaderBytes(options) + DATA_OFFSET_BYTES;
  const buffer = Buffer.allocUnsafe(start + data.length);
  writeDataChunk(buffer, 0, { cookie, offset, length: data.length }, options);
  buffer.set(data, start);
  return buffer;
}

export function encodeHoleChunk(
  cookie: bigint,
  offset: number,
  length: number,
  options: ChunkOptions = {},
): Buffer {
  const { buffer, start } = encodeChunk(
    { type: REPLY_TYPE.OFFSET_HOLE, cookie, length: HOLE_BYTES },
    options,
  );
  writeOffset(buffer, offset, start);
  buffer.writeUInt32BE(length, start + 8);
  return buffer;
}

/** The end of a reply whose chunks were all sent without DONE, or the whole reply to a request without data. */
export function encodeNoneChunk(cookie: bigint, { requestOffset }: ChunkOptions = {}): Buffer {
  return encodeChunk({ type: REPLY_TYPE.NONE, cookie, length: 0 }, { requestOffset }).buffer;
}

/** The answer to BLOCK_STATUS in one metadata context; its type follows from the kind of headers. */
export function encodeStatusChunk(cookie: bigint, status: BlockStatus, options: ChunkOptions = {}): Buffer {
  const type = options.requestOffset === undefined ? REPLY_TYPE.BLOCK_STATUS : REPLY_TYPE.BLOCK_STATUS_EXT;
  const { buffer, start } = encodeChunk({ type, cookie, length: blockStatusBytes(type, status) }, options);
  writeBlockStatus(buffer, start, type, status);
  return buffer;
}

/** An ERROR chunk, or ERROR_OFFSET if it is known where; the last chunk of its reply unless `done` is false. */
export function encodeErrorChunk(
  cookie: bigint,
  { error, message }: ReplyError,
  { offset, ...options }: ChunkOptions & { readonly offset?: number } = {},
): Buffer {
  const text = encodeText(message);
  const length = MIN_ERROR_BYTES + text.length + (offset === undefined ? 0 : 8);
  const type = offset === undefined ? REPLY_TYPE.ERROR : REPLY_TYPE.ERROR_OFFSET;
  const { buffer, start } = encodeChunk({ type, cookie, length }, options);
  buffer.writeUInt32BE(error, start);
  buffer.writeUInt16BE(text.length, start + 4);
  buffer.set(text, start + MIN_ERROR_BYTES);
  if (offset !== undefined) writeOffset(buffer, offset, start + MIN_ERROR_BYTES + text.length);
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
