import { INFO, NBD_OPTION_REPLY_MAGIC, OPTION_REPLY, OPTION_REPLY_ERROR_BIT } from './constants.ts';
import { protocolError } from './nbd-error.ts';
import { encodeText, readSize, readString, writeOffset } from './wire.ts';

/** 8 bytes NBD_OPTION_REPLY_MAGIC, 4 bytes option, 4 bytes reply type, 4 bytes length, then the data. */
export const OPTION_REPLY_HEADER_BYTES = 20;
/** Reserved zeroes behind the reply to NBD_OPT_EXPORT_NAME, for clients without NO_ZEROES. */
const EXPORT_NAME_ZEROES = 124;

export interface OptionReplyHeader {
  readonly option: number;
  readonly type: number;
  /** Bytes of data that follow. */
  readonly length: number;
}

export interface OptionReply {
  readonly option: number;
  readonly type: number;
  readonly data: Buffer;
}

/** An export as listed by NBD_OPT_LIST. */
export interface ListedExport {
  readonly name: string;
  readonly description: string;
}

/** What a server tells of an export, in NBD_REP_INFO. */
export type ExportInfo =
  | { readonly type: typeof INFO.EXPORT; readonly size: number; readonly flags: number }
  | { readonly type: typeof INFO.NAME; readonly name: string }
  | { readonly type: typeof INFO.DESCRIPTION; readonly description: string }
  | ({ readonly type: typeof INFO.BLOCK_SIZE } & BlockSizes);

/** Block size constraints, in bytes. */
export interface BlockSizes {
  /** Offsets and lengths are multiples of it. */
  readonly minimum: number;
  readonly preferred: number;
  /** The longest payload. */
  readonly maximum: number;
}

export function encodeOptionReply(option: number, type: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const buffer = Buffer.allocUnsafe(OPTION_REPLY_HEADER_BYTES + data.length);
  buffer.writeBigUInt64BE(NBD_OPTION_REPLY_MAGIC, 0);
  buffer.writeUInt32BE(option, 8);
  buffer.writeUInt32BE(type, 12);
  buffer.writeUInt32BE(data.length, 16);
  buffer.set(data, OPTION_REPLY_HEADER_BYTES);
  return buffer;
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeOptionReplyHeader(buffer: Buffer): OptionReplyHeader {
  if (buffer.readBigUInt64BE(0) !== NBD_OPTION_REPLY_MAGIC) {
    throw protocolError('the reply to an option has no magic number');
  }
  return { option: buffer.readUInt32BE(8), type: buffer.readUInt32BE(12), length: buffer.readUInt32BE(16) };
}

export function isErrorReply(type: number): boolean {
  // Bit operations are signed in JavaScript.
  return type >= OPTION_REPLY_ERROR_BIT;
}

/** An error reply with a sentence for the user of the client. */
export function encodeErrorReply(option: number, type: number, message: string): Buffer {
  return encodeOptionReply(option, type, encodeText(message));
}

/** Data of NBD_REP_SERVER: 4 bytes name length, name, description. */
export function encodeServerReply(option: number, { name, description }: ListedExport): Buffer {
  const nameBytes = encodeText(name);
  const data = Buffer.concat([Buffer.allocUnsafe(4), nameBytes, encodeText(description)]);
  data.writeUInt32BE(nameBytes.length, 0);
  return encodeOptionReply(option, OPTION_REPLY.SERVER, data);
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeServerReply(data: Buffer): ListedExport {
  const nameEnd = data.length < 4 ? Number.NaN : 4 + data.readUInt32BE(0);
  if (!(nameEnd <= data.length)) throw protocolError('a listed export does not fit its length');
  return { name: readString(data, 4, nameEnd), description: readString(data, nameEnd) };
}

/** Data of NBD_REP_INFO: 2 bytes info type, then what the type says. */
export function encodeInfoReply(option: number, info: ExportInfo): Buffer {
  return encodeOptionReply(option, OPTION_REPLY.INFO, encodeInfo(info));
}

function encodeInfo(info: ExportInfo): Buffer {
  switch (info.type) {
    case INFO.EXPORT:
      return Buffer.concat([uint16(info.type), encodeSizeAndFlags(info.size, info.flags)]);
    case INFO.NAME:
      return Buffer.concat([uint16(info.type), encodeText(info.name)]);
    case INFO.DESCRIPTION:
      return Buffer.concat([uint16(info.type), encodeText(info.description)]);
    case INFO.BLOCK_SIZE: {
      const data = Buffer.allocUnsafe(14);
      data.writeUInt16BE(info.type, 0);
      data.writeUInt32BE(info.minimum, 2);
      data.writeUInt32BE(info.preferred, 6);
      data.writeUInt32BE(info.maximum, 10);
      return data;
    }
  }
}

/**
 * What an NBD_REP_INFO tells, or undefined for types that this side does not know and must ignore.
 *
 * @throws {NbdError} `NBD_PROTOCOL`
 */
export function decodeInfo(data: Buffer): ExportInfo | undefined {
  if (data.length < 2) throw protocolError('an information on the export has no type');
  const type = data.readUInt16BE(0);
  switch (type) {
    case INFO.EXPORT:
      checkLength(data, 12);
      return { type, size: readSize(data, 2), flags: data.readUInt16BE(10) };
    case INFO.NAME:
      return { type, name: readString(data, 2) };
    case INFO.DESCRIPTION:
      return { type, description: readString(data, 2) };
    case INFO.BLOCK_SIZE: {
      checkLength(data, 14);
      const sizes = {
        minimum: data.readUInt32BE(2),
        preferred: data.readUInt32BE(6),
        maximum: data.readUInt32BE(10),
      };
      checkBlockSizes(sizes);
      return { type, ...sizes };
    }
    default:
      return undefined;
  }
}

/** The reply to NBD_OPT_EXPORT_NAME: 8 bytes size, 2 bytes transmission flags, 124 zeroes unless agreed otherwise. */
export function encodeExportNameReply(size: number, flags: number, noZeroes: boolean): Buffer {
  return Buffer.concat([encodeSizeAndFlags(size, flags), Buffer.alloc(noZeroes ? 0 : EXPORT_NAME_ZEROES)]);
}

export function exportNameReplyBytes(noZeroes: boolean): number {
  return 10 + (noZeroes ? 0 : EXPORT_NAME_ZEROES);
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeExportNameReply(buffer: Buffer): { readonly size: number; readonly flags: number } {
  return { size: readSize(buffer, 0), flags: buffer.readUInt16BE(8) };
}

function encodeSizeAndFlags(size: number, flags: number): Buffer {
  const buffer = Buffer.allocUnsafe(10);
  writeOffset(buffer, size, 0);
  buffer.writeUInt16BE(flags, 8);
  return buffer;
}

function uint16(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(2);
  buffer.writeUInt16BE(value, 0);
  return buffer;
}

function checkLength(data: Buffer, length: number): void {
  if (data.length !== length) {
    throw protocolError(`an information on the export has ${data.length} bytes instead of ${length}`);
  }
}

/** The specification wants powers of two with minimum <= preferred, and a maximum that is a multiple of the minimum. */
function checkBlockSizes({ minimum, preferred, maximum }: BlockSizes): void {
  const unlimited = maximum === 0xffffffff;
  if (
    !isPowerOfTwo(minimum) ||
    minimum > 64 * 1024 ||
    !isPowerOfTwo(preferred) ||
    preferred < minimum ||
    maximum < minimum ||
    (!unlimited && maximum % minimum !== 0)
  ) {
    throw protocolError(`the block sizes ${minimum}, ${preferred} and ${maximum} make no sense`);
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}
