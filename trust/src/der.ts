/** Writes ASN.1 values in DER (ITU-T X.690), as far as certificates need them. */

const TAG = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
  /** Of a context, with a primitive value; plus its number. */
  CONTEXT: 0x80,
  /** Of a context, with a value that is made of values; plus its number. */
  CONTEXT_CONSTRUCTED: 0xa0,
} as const;

/** Longer lengths say first how many bytes they have. */
const MAX_SHORT_LENGTH = 0x7f;
const LONG_LENGTH = 0x80;

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return value(TAG.SEQUENCE, ...parts);
}

export function set(...parts: readonly Uint8Array[]): Buffer {
  return value(TAG.SET, ...parts);
}

/** `[number] EXPLICIT`, or IMPLICIT of a value made of values. */
export function contextConstructed(number: number, ...parts: readonly Uint8Array[]): Buffer {
  return value(TAG.CONTEXT_CONSTRUCTED + number, ...parts);
}

/** `[number] IMPLICIT` of a primitive value. */
export function context(number: number, content: Uint8Array): Buffer {
  return value(TAG.CONTEXT + number, content);
}

export function booleanTrue(): Buffer {
  return value(TAG.BOOLEAN, Uint8Array.of(0xff));
}

/** A whole number from 0 of any size, big-endian. */
export function unsigned(bytes: Uint8Array): Buffer {
  const firstUsed = bytes.findIndex((byte) => byte !== 0);
  const used = firstUsed === -1 ? Uint8Array.of(0) : bytes.subarray(firstUsed);
  // A first bit of 1 would mean a negative number.
  const isHigh = (used[0] ?? 0) > 0x7f;
  return value(TAG.INTEGER, isHigh ? Uint8Array.of(0) : new Uint8Array(), used);
}

/** @param unusedBits of the last byte */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return value(TAG.BIT_STRING, Uint8Array.of(unusedBits), bytes);
}

export function octetString(bytes: Uint8Array): Buffer {
  return value(TAG.OCTET_STRING, bytes);
}

export function utf8String(text: string): Buffer {
  return value(TAG.UTF8_STRING, Buffer.from(text));
}

/** @param dotted such as "2.5.4.3" */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return value(TAG.OBJECT_IDENTIFIER, ...[first * 40 + second, ...rest].map(base128));
}

/** @param text YYMMDDHHMMSSZ, for the years 1950 to 2049 */
export function utcTime(text: string): Buffer {
  return value(TAG.UTC_TIME, Buffer.from(text));
}

/** @param text YYYYMMDDHHMMSSZ */
export function generalizedTime(text: string): Buffer {
  return value(TAG.GENERALIZED_TIME, Buffer.from(text));
}

function value(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Uint8Array.of(tag), lengthOf(content.length), content]);
}

function lengthOf(length: number): Uint8Array {
  if (length <= MAX_SHORT_LENGTH) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return Uint8Array.of(LONG_LENGTH + bytes.length, ...bytes);
}

/** Seven bits a byte, the first bit set in all but the last. */
function base128(number: number): Uint8Array {
  const bytes = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return Uint8Array.from(bytes);
}
