import {
  EXTENDED_REPLY_MAGIC,
  EXTENDED_REQUEST_MAGIC,
  GREETING_MAGIC,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  REQUEST_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './numbers.ts';

/** A number of so many bytes, big-endian. */
export function uint(bytes: 1 | 2 | 4 | 8, value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
  return buffer.subarray(8 - bytes);
}

/** Text with its length before it. */
export function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint(4, bytes.length), bytes]);
}

// By a client

/** Fixed newstyle, and no zeroes after NBD_OPT_EXPORT_NAME. */
export const CLIENT_FLAGS = uint(4, 3);

export function option(type: number, data: Uint8Array = Buffer.alloc(0), length = data.length): Buffer {
  return Buffer.concat([uint(8, OPTION_MAGIC), uint(4, type), uint(4, length), data]);
}

/** The data of NBD_OPT_INFO and NBD_OPT_GO. */
export function infoRequest(exportName: string, infos: readonly number[] = []): Buffer {
  return Buffer.concat([string(exportName), uint(2, infos.length), ...infos.map((info) => uint(2, info))]);
}

/** The data of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT. */
export function contextQueries(exportName: string, queries: readonly string[]): Buffer {
  return Buffer.concat([string(exportName), uint(4, queries.length), ...queries.map(string)]);
}

export interface RawRequest {
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: number | bigint;
  readonly length: number | bigint;
  readonly flags?: number;
  /** What follows the header. */
  readonly payload?: Uint8Array;
}

export function request({ type, cookie, offset, length, flags = 0, payload }: RawRequest): Buffer {
  return Buffer.concat([
    uint(4, REQUEST_MAGIC),
    uint(2, flags),
    uint(2, type),
    uint(8, cookie),
    uint(8, offset),
    uint(4, length),
    ...(payload === undefined ? [] : [payload]),
  ]);
}

/** With a length of 64 bits, after NBD_OPT_EXTENDED_HEADERS. */
export function extendedRequest({ type, cookie, offset, length, flags = 0, payload }: RawRequest): Buffer {
  return Buffer.concat([
    uint(4, EXTENDED_REQUEST_MAGIC),
    uint(2, flags),
    uint(2, type),
    uint(8, cookie),
    uint(8, offset),
    uint(8, length),
    ...(payload === undefined ? [] : [payload]),
  ]);
}

// By a server

export function greeting(flags = 3): Buffer {
  return Buffer.concat([uint(8, GREETING_MAGIC), uint(8, OPTION_MAGIC), uint(2, flags)]);
}

export function optionReply(
  option: number,
  type: number,
  data: Uint8Array = Buffer.alloc(0),
  length = data.length,
): Buffer {
  return Buffer.concat([uint(8, OPTION_REPLY_MAGIC), uint(4, option), uint(4, type), uint(4, length), data]);
}

export interface RawChunk {
  readonly type: number;
  readonly cookie: bigint;
  readonly flags?: number;
  readonly payload?: Uint8Array;
  /** That of the payload by default. */
  readonly length?: number;
}

export function structuredReply({
  type,
  cookie,
  flags = 1,
  payload = Buffer.alloc(0),
  length = payload.length,
}: RawChunk): Buffer {
  return Buffer.concat([
    uint(4, STRUCTURED_REPLY_MAGIC),
    uint(2, flags),
    uint(2, type),
    uint(8, cookie),
    uint(4, length),
    payload,
  ]);
}

/** With a length of 64 bits and the offset of the request, after NBD_OPT_EXTENDED_HEADERS. */
export function extendedReply({
  type,
  cookie,
  offset,
  flags = 1,
  payload = Buffer.alloc(0),
  length = payload.length,
}: RawChunk & { readonly offset: bigint }): Buffer {
  return Buffer.concat([
    uint(4, EXTENDED_REPLY_MAGIC),
    uint(2, flags),
    uint(2, type),
    uint(8, cookie),
    uint(8, offset),
    uint(8, length),
    payload,
  ]);
}
