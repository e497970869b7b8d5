/**
 * The part of the FUSE protocol that a single regular file needs. Facts from the kernel's interface header
 * (include/uapi/linux/fuse.h, protocol version 7). All numbers are in the byte order of the host, which is
 * little-endian on every machine that diskferry runs on.
 */

const MAJOR_VERSION = 7;
/** The protocol revision whose structures stand below; the kernel uses the smaller one of both sides. */
const MINOR_VERSION = 38;

export const Opcode = {
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  FLUSH: 25,
  INIT: 26,
  ACCESS: 34,
  INTERRUPT: 36,
  DESTROY: 38,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
} as const;

const OPCODE_NAMES = new Map<number, string>(Object.entries(Opcode).map(([name, code]) => [code, name]));

/** The name of a request for messages. */
export function opcodeName(opcode: number): string {
  return OPCODE_NAMES.get(opcode) ?? `opcode ${opcode}`;
}

const InitFlag = {
  ASYNC_READ: 1 << 0,
  BIG_WRITES: 1 << 5,
  ASYNC_DIO: 1 << 15,
  MAX_PAGES: 1 << 22,
} as const;
const WANTED_FLAGS = InitFlag.ASYNC_READ | InitFlag.BIG_WRITES | InitFlag.ASYNC_DIO | InitFlag.MAX_PAGES;

const OpenFlag = {
  /** No page cache for the file itself: the loop device above it has one. */
  DIRECT_IO: 1 << 0,
  /** Writes to the file need not wait for each other (they never extend it); ignored by kernels before 6.2. */
  PARALLEL_DIRECT_WRITES: 1 << 6,
} as const;

/** Modes of fallocate(2), from include/uapi/linux/falloc.h. */
export const FallocateMode = { KEEP_SIZE: 0x01, PUNCH_HOLE: 0x02, ZERO_RANGE: 0x10 } as const;

/** The largest WRITE in bytes: 256 pages is the most that a kernel grants by default (fs.fuse.max_pages_limit). */
export const MAX_TRANSFER = 1024 * 1024;
const PAGE_SIZE = 4096;
/** Requests that the kernel may have under way for asynchronous I/O before it queues them itself. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;

export const IN_HEADER_SIZE = 40;
export const OUT_HEADER_SIZE = 16;
const WRITE_IN_SIZE = 40;
/** The kernel refuses a read of /dev/fuse with less room than its largest request. The largest answer fits as well. */
export const REQUEST_BUFFER_SIZE = MAX_TRANSFER + PAGE_SIZE;

/** The node of the mounted file; the kernel knows it without a LOOKUP. */
const ROOT_ID = 1;
/** How long the kernel may keep attributes, in seconds: they never change. */
const ATTRIBUTE_VALID_S = 24 * 3600;
const REGULAR_FILE = 0o100600;

export interface RequestHeader {
  readonly length: number;
  readonly opcode: number;
  readonly unique: bigint;
}

/*
 * struct fuse_in_header: 0 u32 len; 4 u32 opcode; 8 u64 unique; 16 u64 nodeid; 24 u32 uid; 28 u32 gid; 32 u32 pid;
 * 36 u16 total_extlen; 38 u16 padding
 */
export function decodeHeader(request: Buffer): RequestHeader {
  return {
    length: request.readUInt32LE(0),
    opcode: request.readUInt32LE(4),
    unique: request.readBigUInt64LE(8),
  };
}

/* struct fuse_out_header: 0 u32 len; 4 s32 error, negative errno; 8 u64 unique */
export function encodeReplyHeader(unique: bigint, error: number, bodyLength: number): Buffer {
  const header = Buffer.allocUnsafe(OUT_HEADER_SIZE);
  writeReplyHeader(header, unique, error, bodyLength);
  return header;
}

/** The same at the start of a buffer. */
export function writeReplyHeader(target: Buffer, unique: bigint, error: number, bodyLength: number): void {
  target.writeUInt32LE(OUT_HEADER_SIZE + bodyLength, 0);
  target.writeInt32LE(-error, 4);
  target.writeBigUInt64LE(unique, 8);
}

/* struct fuse_init_in: 0 u32 major; 4 u32 minor; 8 u32 max_readahead; 12 u32 flags; … */
export function decodeInit(request: Buffer): {
  major: number;
  minor: number;
  maxReadAhead: number;
  flags: number;
} {
  return {
    major: request.readUInt32LE(IN_HEADER_SIZE),
    minor: request.readUInt32LE(IN_HEADER_SIZE + 4),
    maxReadAhead: request.readUInt32LE(IN_HEADER_SIZE + 8),
    flags: request.readUInt32LE(IN_HEADER_SIZE + 12),
  };
}

/*
 * struct fuse_init_out: 0 u32 major; 4 u32 minor; 8 u32 max_readahead; 12 u32 flags; 16 u16 max_background;
 * 18 u16 congestion_threshold; 20 u32 max_write; 24 u32 time_gran; 28 u16 max_pages; 30 u16 map_alignment;
 * 32 u32 flags2; 36 u32 unused[7]
 */
export function encodeInit(offer: { readonly maxReadAhead: number; readonly flags: number }): Buffer {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(MAJOR_VERSION, 0);
  body.writeUInt32LE(MINOR_VERSION, 4);
  body.writeUInt32LE(offer.maxReadAhead, 8);
  body.writeUInt32LE((offer.flags & WANTED_FLAGS) >>> 0, 12);
  body.writeUInt16LE(MAX_BACKGROUND, 16);
  body.writeUInt16LE(CONGESTION_THRESHOLD, 18);
  body.writeUInt32LE(MAX_TRANSFER, 20);
  body.writeUInt32LE(1, 24);
  body.writeUInt16LE(MAX_TRANSFER / PAGE_SIZE, 28);
  return body;
}

/*
 * struct fuse_attr_out: 0 u64 attr_valid; 8 u32 attr_valid_nsec; 12 u32 dummy; 16 struct fuse_attr:
 * 16 u64 ino; 24 u64 size; 32 u64 blocks; 40 u64 atime; 48 u64 mtime; 56 u64 ctime; 64 u32 atimensec;
 * 68 u32 mtimensec; 72 u32 ctimensec; 76 u32 mode; 80 u32 nlink; 84 u32 uid; 88 u32 gid; 92 u32 rdev;
 * 96 u32 blksize; 100 u32 flags
 */
export function encodeAttributes(size: number, blockSize: number): Buffer {
  const body = Buffer.alloc(104);
  body.writeBigUInt64LE(BigInt(ATTRIBUTE_VALID_S), 0);
  body.writeBigUInt64LE(BigInt(ROOT_ID), 16);
  body.writeBigUInt64LE(BigInt(size), 24);
  body.writeBigUInt64LE(BigInt(Math.ceil(size / 512)), 32);
  body.writeUInt32LE(REGULAR_FILE, 76);
  body.writeUInt32LE(1, 80);
  body.writeUInt32LE(blockSize, 96);
  return body;
}

/* struct fuse_open_out: 0 u64 fh; 8 u32 open_flags; 12 u32 padding */
export function encodeOpen(): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32LE(OpenFlag.DIRECT_IO | OpenFlag.PARALLEL_DIRECT_WRITES, 8);
  return body;
}

/** The range of a READ or WRITE, in bytes. */
export interface Transfer {
  readonly offset: number;
  readonly size: number;
}

/*
 * struct fuse_read_in: 0 u64 fh; 8 u64 offset; 16 u32 size; 20 u32 read_flags; 24 u64 lock_owner; 32 u32 flags;
 * 36 u32 padding. struct fuse_write_in begins alike.
 */
export function decodeTransfer(request: Buffer): Transfer {
  return {
    offset: Number(request.readBigUInt64LE(IN_HEADER_SIZE + 8)),
    size: request.readUInt32LE(IN_HEADER_SIZE + 16),
  };
}

/* struct fuse_write_in: 0 u64 fh; 8 u64 offset; 16 u32 size; 20 u32 write_flags; 24 u64 lock_owner; … ; 40 data */
export function writePayload(request: Buffer, size: number): Buffer {
  const start = IN_HEADER_SIZE + WRITE_IN_SIZE;
  return request.subarray(start, start + size);
}

/* struct fuse_write_out: 0 u32 size; 4 u32 padding */
export function encodeWritten(size: number): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32LE(size, 0);
  return body;
}

/* struct fuse_fallocate_in: 0 u64 fh; 8 u64 offset; 16 u64 length; 24 u32 mode; 28 u32 padding */
export function decodeFallocate(request: Buffer): { offset: number; length: number; mode: number } {
  return {
    offset: Number(request.readBigUInt64LE(IN_HEADER_SIZE + 8)),
    length: Number(request.readBigUInt64LE(IN_HEADER_SIZE + 16)),
    mode: request.readUInt32LE(IN_HEADER_SIZE + 24),
  };
}

/*
 * struct fuse_statfs_out: 0 u64 blocks; 8 u64 bfree; 16 u64 bavail; 24 u64 files; 32 u64 ffree; 40 u32 bsize;
 * 44 u32 namelen; 48 u32 frsize; 52 u32 padding; 56 u32 spare[6].
 * The loop driver takes bsize as the granularity of discards; without an answer it offers none.
 */
export function encodeStatfs(size: number, blockSize: number): Buffer {
  const body = Buffer.alloc(80);
  body.writeBigUInt64LE(BigInt(Math.ceil(size / blockSize)), 0);
  body.writeBigUInt64LE(1n, 24);
  body.writeUInt32LE(blockSize, 40);
  body.writeUInt32LE(255, 44);
  body.writeUInt32LE(blockSize, 48);
  return body;
}
