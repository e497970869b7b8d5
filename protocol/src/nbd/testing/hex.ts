import { NbdError } from '../nbd-error.ts';

/** Bytes from hex digits, with spaces where they help to read. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** For `assert.throws` and `assert.rejects`: a violation of the protocol, in these words. */
export function isProtocolError(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof NbdError && error.code === 'NBD_PROTOCOL' && words.test(error.message);
}

/** The ways to cut a sequence of messages: in two at each place, and byte by byte. */
export function cuts(bytes: Buffer): Buffer[][] {
  const inTwo = Array.from({ length: bytes.length - 1 }, (_, index) => [
    bytes.subarray(0, index + 1),
    bytes.subarray(index + 1),
  ]);
  const byteByByte = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
  return [[bytes], byteByByte, ...inTwo];
}
