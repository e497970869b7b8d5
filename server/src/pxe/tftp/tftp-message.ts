/*
 * A message of TFTP (RFC 1350; options: RFC 2347):
 *
 *   read request     opcode u16 = 1 · file name · 0 · mode · 0 · (option · 0 · value · 0)…
 *   data             opcode u16 = 3 · block u16 · bytes; fewer than the block size in the last one
 *   acknowledgement  opcode u16 = 4 · block u16
 *   error            opcode u16 = 5 · code u16 · text · 0
 *   option answer    opcode u16 = 6 · (option · 0 · value · 0)…
 */
const OPCODE = { readRequest: 1, data: 3, acknowledgement: 4, error: 5, optionAnswer: 6 } as const;
/** Opcode, and the number of a block or of an error. */
const HEADER_BYTES = 4;
const MODE_OF_BYTES = 'octet';

/** Numbers of RFC 1350. */
export const TFTP_ERRORS = { notFound: 1, refused: 2, illegal: 4 } as const;
export type TftpError = (typeof TFTP_ERRORS)[keyof typeof TFTP_ERRORS];

/** What a client wants. */
export interface ReadRequest {
  readonly name: string;
  /** By their names in small letters. */
  readonly options: ReadonlyMap<string, string>;
}

/** Understands a read request; undefined for every other message, and for text with line ends, which is not sent as it is. */
export function parseReadRequest(message: Buffer): ReadRequest | undefined {
  if (message.length < HEADER_BYTES || message.readUInt16BE() !== OPCODE.readRequest) return undefined;
  const words = message.toString('utf8', 2).split('\0');
  // Behind the last zero there is nothing.
  if (words.pop() !== '') return undefined;
  const [name, mode, ...options] = words;
  if (name === undefined || name === '' || mode?.toLowerCase() !== MODE_OF_BYTES) return undefined;
  const pairs = Array.from({ length: Math.floor(options.length / 2) }, (_, index) => {
    const [option = '', value = ''] = options.slice(index * 2);
    return [option.toLowerCase(), value] as const;
  });
  return { name, options: new Map(pairs) };
}

/** What a client says of the block that it was sent. */
export type Reply = { readonly acknowledged: number } | { readonly ended: string };

/** Understands an acknowledgement or an error; undefined for every other message. */
export function parseReply(message: Buffer): Reply | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const number = message.readUInt16BE(2);
  switch (message.readUInt16BE()) {
    case OPCODE.acknowledgement:
      return { acknowledged: number };
    case OPCODE.error:
      return { ended: `error ${number} ${message.toString('utf8', HEADER_BYTES).split('\0')[0]}` };
    default:
      return undefined;
  }
}

export function dataMessage(block: number, bytes: Buffer): Buffer {
  return Buffer.concat([header(OPCODE.data, block), bytes]);
}

export function errorMessage(code: TftpError, text: string): Buffer {
  return Buffer.concat([header(OPCODE.error, code), Buffer.from(`${text}\0`)]);
}

export function optionAnswer(options: ReadonlyMap<string, string>): Buffer {
  const words = [...options].flat().map((word) => `${word}\0`);
  return Buffer.concat([Buffer.from([0, OPCODE.optionAnswer]), Buffer.from(words.join(''))]);
}

function header(opcode: number, number: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt16BE(opcode);
  bytes.writeUInt16BE(number, 2);
  return bytes;
}
