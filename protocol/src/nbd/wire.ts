import { MAX_STRING_BYTES } from './limits.ts';
import { protocolError } from './nbd-error.ts';

const TWO_TO_32 = 2 ** 32;

/**
 * A 64-bit offset as a number. One beyond 2^53 loses its last bits, which does no harm: it lies outside every disk,
 * because the size of a disk is checked by {@link readSize}.
 */
export function readOffset(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * TWO_TO_32 + buffer.readUInt32BE(at + 4);
}

export function writeOffset(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32BE(Math.floor(value / TWO_TO_32), at);
  buffer.writeUInt32BE(value % TWO_TO_32, at + 4);
}

/**
 * A 64-bit size as a number: the one checked conversion.
 *
 * @throws {NbdError} `NBD_PROTOCOL` beyond 8 PiB (2^53 bytes)
 */
export function readSize(buffer: Buffer, at: number): number {
  const size = buffer.readBigUInt64BE(at);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw protocolError(
      `the server says that the disk has ${size} bytes; disks beyond 8 PiB are not supported`,
    );
  }
  return Number(size);
}

/**
 * A string of the protocol.
 *
 * @throws {NbdError} `NBD_PROTOCOL` if it is too long, not UTF-8 or holds NUL
 */
export function readString(buffer: Buffer, start = 0, end = buffer.length): string {
  const length = end - start;
  if (length > MAX_STRING_BYTES) {
    throw protocolError(`a string of ${length} bytes is longer than the ${MAX_STRING_BYTES} that NBD allows`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer.subarray(start, end));
  } catch (cause) {
    throw Object.assign(protocolError('a string is not UTF-8'), { cause });
  }
  if (text.includes('\0')) throw protocolError('a string holds a NUL character');
  return text;
}

/** A text for the other side, as UTF-8, cut between characters if it is longer than the protocol allows. */
export function encodeText(text: string, maxBytes = MAX_STRING_BYTES): Buffer {
  const bytes = Buffer.from(text.replaceAll('\0', ''));
  if (bytes.length <= maxBytes) return bytes;
  let end = maxBytes;
  // 0b10xxxxxx is the inside of a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
