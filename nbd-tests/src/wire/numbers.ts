/**
 * The numbers of the NBD protocol as these tests know them: typed from the specification a second time, so that a
 * wrong number in the product does not make its own proof.
 * https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
 */

export const OPTION_MAGIC = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
export const GREETING_MAGIC = 0x4e42444d41474943n;
export const REQUEST_MAGIC = 0x25609513;
export const EXTENDED_REQUEST_MAGIC = 0x21e41c71;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;
export const EXTENDED_REPLY_MAGIC = 0x6e8a278c;

export const OPTION = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
  EXTENDED_HEADERS: 11,
} as const;

export const OPTION_REPLY = { ACK: 1, SERVER: 2, INFO: 3, META_CONTEXT: 4 } as const;
/** An option reply of a type from here on is an error. */
export const OPTION_ERRORS = 0x80000000;
export const ERR_TLS_REQD = 0x80000005;

export const COMMAND = {
  READ: 0,
  WRITE: 1,
  DISC: 2,
  FLUSH: 3,
  TRIM: 4,
  CACHE: 5,
  WRITE_ZEROES: 6,
  BLOCK_STATUS: 7,
} as const;

/** Of extended requests: a payload of that length follows. */
export const PAYLOAD_LEN_FLAG = 1 << 5;

export const DONE_FLAG = 1;
export const REPLY_TYPE = {
  NONE: 0,
  OFFSET_DATA: 1,
  OFFSET_HOLE: 2,
  BLOCK_STATUS: 5,
  BLOCK_STATUS_EXT: 6,
} as const;
/** A reply chunk of a type from here on is an error. */
export const CHUNK_ERRORS = 0x8000;
