import type { Extent } from '../disk.ts';
import { REPLY_TYPE, replyTypeName, STATE } from './constants.ts';
import { protocolError } from './nbd-error.ts';
import { readOffset, writeOffset } from './wire.ts';

/** A run of bytes with one status. */
export interface StatusDescriptor {
  /** Bytes. */
  readonly length: number;
  /** What the metadata context defines; values of {@link STATE} in `base:allocation`. */
  readonly flags: number;
}

/** Payload of BLOCK_STATUS and BLOCK_STATUS_EXT: the answer in one metadata context. */
export interface BlockStatus {
  /** The number that the server gave the context in the handshake. */
  readonly contextId: number;
  /** In the order of the disk, from the offset of the request. */
  readonly descriptors: readonly StatusDescriptor[];
}

/**
 * BLOCK_STATUS: 4 bytes context, then 4 length and 4 flags each. BLOCK_STATUS_EXT: 4 bytes context, 4 count, then 8
 * length and 8 flags each.
 */
interface Layout {
  readonly start: number;
  readonly each: number;
}
const COMPACT: Layout = { start: 4, each: 8 };
const EXTENDED: Layout = { start: 8, each: 16 };
/** What fits a compact descriptor; a multiple of all sector sizes. */
export const MAX_COMPACT_DESCRIPTOR_BYTES = 2 ** 32 - 64 * 1024;

export type StatusType = typeof REPLY_TYPE.BLOCK_STATUS | typeof REPLY_TYPE.BLOCK_STATUS_EXT;

/** Length of a payload, in bytes. */
export function blockStatusBytes(type: StatusType, { descriptors }: BlockStatus): number {
  const { start, each } = layoutOf(type);
  return start + each * descriptors.length;
}

/** Writes a payload to `target` at `at`. */
export function writeBlockStatus(
  target: Buffer,
  at: number,
  type: StatusType,
  { contextId, descriptors }: BlockStatus,
): void {
  const { start, each } = layoutOf(type);
  target.writeUInt32BE(contextId, at);
  if (type === REPLY_TYPE.BLOCK_STATUS_EXT) target.writeUInt32BE(descriptors.length, at + 4);
  for (const [index, { length, flags }] of descriptors.entries()) {
    const place = at + start + each * index;
    if (type === REPLY_TYPE.BLOCK_STATUS_EXT) {
      writeOffset(target, length, place);
      writeOffset(target, flags, place + 8);
    } else {
      target.writeUInt32BE(length, place);
      target.writeUInt32BE(flags, place + 4);
    }
  }
}

/** Whether a payload of that type can have so many bytes. */
export function isBlockStatusLength(type: StatusType, length: number): boolean {
  const { start, each } = layoutOf(type);
  return length >= start + each && (length - start) % each === 0;
}

/** Bytes of a payload up to so many descriptors, which can be decoded alone. */
export function blockStatusStart(type: StatusType, descriptors: number): number {
  const { start, each } = layoutOf(type);
  return start + each * descriptors;
}

/**
 * The payload of BLOCK_STATUS or BLOCK_STATUS_EXT, or its first descriptors.
 *
 * @param length bytes of the whole payload, if `payload` is only the beginning
 * @throws {NbdError} `NBD_PROTOCOL`
 */
export function decodeBlockStatus(
  type: StatusType,
  payload: Buffer,
  length: number = payload.length,
): BlockStatus {
  const { start, each } = layoutOf(type);
  const malformed = (): Error => protocolError(`the payload of ${replyTypeName(type)} makes no sense`);
  if (!isBlockStatusLength(type, payload.length)) throw malformed();
  const count = (payload.length - start) / each;
  const extended = type === REPLY_TYPE.BLOCK_STATUS_EXT;
  if (extended && payload.readUInt32BE(4) !== (length - start) / each) throw malformed();
  const descriptors = Array.from({ length: count }, (_, index) => {
    const place = start + each * index;
    return extended
      ? { length: readOffset(payload, place), flags: readOffset(payload, place + 8) }
      : { length: payload.readUInt32BE(place), flags: payload.readUInt32BE(place + 4) };
  });
  if (descriptors.some(({ length }) => length === 0)) throw malformed();
  return { contextId: payload.readUInt32BE(0), descriptors };
}

/** An extent as `base:allocation` puts it. */
export function descriptorOf({ length, hole, zero }: Extent): StatusDescriptor {
  return { length, flags: (hole ? STATE.HOLE : 0) | (zero ? STATE.ZERO : 0) };
}

/** What a descriptor of `base:allocation` says. */
export function extentOf({ length, flags }: StatusDescriptor): Extent {
  return { length, hole: (flags & STATE.HOLE) !== 0, zero: (flags & STATE.ZERO) !== 0 };
}

function layoutOf(type: StatusType): Layout {
  return type === REPLY_TYPE.BLOCK_STATUS ? COMPACT : EXTENDED;
}
