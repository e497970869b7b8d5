import { NBD_OPTION_MAGIC, optionName } from './constants.ts';
import { protocolError } from './nbd-error.ts';
import { readString } from './wire.ts';

/** 8 bytes NBD_OPTION_MAGIC, 4 bytes option, 4 bytes length, then the data. */
export const OPTION_HEADER_BYTES = 16;

export interface OptionHeader {
  readonly option: number;
  /** Bytes of data that follow. */
  readonly length: number;
}

export function encodeOption(option: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const buffer = Buffer.allocUnsafe(OPTION_HEADER_BYTES + data.length);
  buffer.writeBigUInt64BE(NBD_OPTION_MAGIC, 0);
  buffer.writeUInt32BE(option, 8);
  buffer.writeUInt32BE(data.length, 12);
  buffer.set(data, OPTION_HEADER_BYTES);
  return buffer;
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeOptionHeader(buffer: Buffer): OptionHeader {
  if (buffer.readBigUInt64BE(0) !== NBD_OPTION_MAGIC) throw protocolError('an option has no magic number');
  return { option: buffer.readUInt32BE(8), length: buffer.readUInt32BE(12) };
}

/** What NBD_OPT_INFO and NBD_OPT_GO ask for. */
export interface InfoRequest {
  readonly exportName: string;
  /** Values of {@link INFO}, in the client's order. */
  readonly infos: readonly number[];
}

/** Data of NBD_OPT_INFO and NBD_OPT_GO: 4 bytes name length, name, 2 bytes count, count times 2 bytes info. */
export function encodeInfoRequest({ exportName, infos }: InfoRequest): Buffer {
  const name = Buffer.from(exportName);
  const buffer = Buffer.allocUnsafe(4 + name.length + 2 + 2 * infos.length);
  buffer.writeUInt32BE(name.length, 0);
  buffer.set(name, 4);
  buffer.writeUInt16BE(infos.length, 4 + name.length);
  for (const [index, info] of infos.entries()) buffer.writeUInt16BE(info, 4 + name.length + 2 + 2 * index);
  return buffer;
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeInfoRequest(option: number, data: Buffer): InfoRequest {
  const malformed = (): Error => protocolError(`the data of ${optionName(option)} does not fit its length`);
  if (data.length < 6) throw malformed();
  const nameEnd = 4 + data.readUInt32BE(0);
  if (nameEnd + 2 > data.length) throw malformed();
  const exportName = readString(data, 4, nameEnd);
  const count = data.readUInt16BE(nameEnd);
  if (nameEnd + 2 + 2 * count !== data.length) throw malformed();
  const infos = Array.from({ length: count }, (_, index) => data.readUInt16BE(nameEnd + 2 + 2 * index));
  return { exportName, infos };
}
