/**
 * The numbers of the NBD protocol, in the order of the specification: NetworkBlockDevice/nbd, doc/proto.md,
 * https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md. All fields are big-endian and unsigned.
 */

// Handshake phase

/** "NBDMAGIC" */
export const NBD_MAGIC = 0x4e42444d41474943n;
/** "IHAVEOPT": the second half of the greeting, and the start of every option. */
export const NBD_OPTION_MAGIC = 0x49484156454f5054n;
/** The second half of the greeting of oldstyle servers, which are not supported. */
export const NBD_OLDSTYLE_MAGIC = 0x00420281861253n;
export const NBD_OPTION_REPLY_MAGIC = 0x0003e889045565a9n;

/** 16 bits, by the server. */
export const HANDSHAKE_FLAG = {
  FIXED_NEWSTYLE: 1 << 0,
  NO_ZEROES: 1 << 1,
} as const;

/** 32 bits, by the client. */
export const CLIENT_FLAG = {
  FIXED_NEWSTYLE: 1 << 0,
  NO_ZEROES: 1 << 1,
} as const;

/** 16 bits, by the server, about one export. */
export const TRANSMISSION_FLAG = {
  HAS_FLAGS: 1 << 0,
  READ_ONLY: 1 << 1,
  SEND_FLUSH: 1 << 2,
  SEND_FUA: 1 << 3,
  ROTATIONAL: 1 << 4,
  SEND_TRIM: 1 << 5,
  SEND_WRITE_ZEROES: 1 << 6,
  SEND_DF: 1 << 7,
  CAN_MULTI_CONN: 1 << 8,
  SEND_RESIZE: 1 << 9,
  SEND_CACHE: 1 << 10,
  SEND_FAST_ZERO: 1 << 11,
  BLOCK_STATUS_PAYLOAD: 1 << 12,
} as const;

export const OPTION = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  PEEK_EXPORT: 4,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
  EXTENDED_HEADERS: 11,
} as const;

/** Bit 31 of a reply type says that the option failed. */
export const OPTION_REPLY_ERROR_BIT = 0x80000000;

export const OPTION_REPLY = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: 0x80000001,
  ERR_POLICY: 0x80000002,
  ERR_INVALID: 0x80000003,
  ERR_PLATFORM: 0x80000004,
  ERR_TLS_REQD: 0x80000005,
  ERR_UNKNOWN: 0x80000006,
  ERR_SHUTDOWN: 0x80000007,
  ERR_BLOCK_SIZE_REQD: 0x80000008,
  ERR_TOO_BIG: 0x80000009,
  ERR_EXT_HEADER_REQD: 0x8000000a,
} as const;

export const INFO = {
  EXPORT: 0,
  NAME: 1,
  DESCRIPTION: 2,
  BLOCK_SIZE: 3,
} as const;

// Transmission phase

export const NBD_REQUEST_MAGIC = 0x25609513;
/** Extended headers are described on the specification's branch `extension-ext-header`. */
export const NBD_EXTENDED_REQUEST_MAGIC = 0x21e41c71;
export const NBD_SIMPLE_REPLY_MAGIC = 0x67446698;
export const NBD_STRUCTURED_REPLY_MAGIC = 0x668e33ef;
export const NBD_EXTENDED_REPLY_MAGIC = 0x6e8a278c;

/** 16 bits, with every request. */
export const COMMAND_FLAG = {
  FUA: 1 << 0,
  NO_HOLE: 1 << 1,
  DF: 1 << 2,
  REQ_ONE: 1 << 3,
  FAST_ZERO: 1 << 4,
  PAYLOAD_LEN: 1 << 5,
} as const;

/** 16 bits, with every structured reply chunk. */
export const REPLY_FLAG = {
  DONE: 1 << 0,
} as const;

/** Bit 15 of a chunk type says that it reports an error. */
export const REPLY_TYPE_ERROR_BIT = 0x8000;

export const REPLY_TYPE = {
  NONE: 0,
  OFFSET_DATA: 1,
  OFFSET_HOLE: 2,
  BLOCK_STATUS: 5,
  BLOCK_STATUS_EXT: 6,
  ERROR: 0x8001,
  ERROR_OFFSET: 0x8002,
} as const;

export const COMMAND = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
  RESIZE: 8,
} as const;

/** Status flags of the metadata context `base:allocation`. */
export const STATE = {
  HOLE: 1 << 0,
  ZERO: 1 << 1,
} as const;

/** Error values of replies. */
export const ERROR = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  EOVERFLOW: 75,
  ENOTSUP: 95,
  ESHUTDOWN: 108,
} as const;

// Names for messages and logs, from the tables above

export const optionName = namesOf('NBD_OPT_', OPTION);
export const optionReplyName = namesOf('NBD_REP_', OPTION_REPLY);
export const commandName = namesOf('NBD_CMD_', COMMAND);
export const replyTypeName = namesOf('NBD_REPLY_TYPE_', REPLY_TYPE);
/** Such as "EIO". */
export const errorName = namesOf('', ERROR);

function namesOf(prefix: string, table: Readonly<Record<string, number>>): (value: number) => string {
  const names = new Map(Object.entries(table).map(([name, value]) => [value, prefix + name]));
  return (value) => names.get(value) ?? `${prefix}${value}`;
}
