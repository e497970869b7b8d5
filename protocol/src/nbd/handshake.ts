import { CLIENT_FLAG, HANDSHAKE_FLAG, NBD_MAGIC, NBD_OLDSTYLE_MAGIC, NBD_OPTION_MAGIC } from './constants.ts';
import { protocolError } from './nbd-error.ts';

/** The greeting of a newstyle server: 8 bytes NBD_MAGIC, 8 bytes NBD_OPTION_MAGIC, 2 bytes handshake flags. */
export const GREETING_BYTES = 18;
export const CLIENT_FLAGS_BYTES = 4;

export function encodeGreeting(flags: number): Buffer {
  const buffer = Buffer.allocUnsafe(GREETING_BYTES);
  buffer.writeBigUInt64BE(NBD_MAGIC, 0);
  buffer.writeBigUInt64BE(NBD_OPTION_MAGIC, 8);
  buffer.writeUInt16BE(flags, 16);
  return buffer;
}

/**
 * The handshake flags of a greeting.
 *
 * @throws {NbdError} `NBD_PROTOCOL` if it is not an NBD server, or one that only speaks oldstyle
 */
export function decodeGreeting(buffer: Buffer): number {
  if (buffer.readBigUInt64BE(0) !== NBD_MAGIC) throw protocolError('it does not greet like an NBD server');
  const second = buffer.readBigUInt64BE(8);
  if (second === NBD_OLDSTYLE_MAGIC) {
    throw protocolError('it only speaks the oldstyle handshake, which has no export names');
  }
  if (second !== NBD_OPTION_MAGIC) throw protocolError('it does not greet like an NBD server');
  return buffer.readUInt16BE(16);
}

/** The client's answer to the greeting: 4 bytes client flags. */
export function encodeClientFlags(flags: number): Buffer {
  const buffer = Buffer.allocUnsafe(CLIENT_FLAGS_BYTES);
  buffer.writeUInt32BE(flags, 0);
  return buffer;
}

/**
 * The client flags, which may only hold what the server offers.
 *
 * @throws {NbdError} `NBD_PROTOCOL`
 */
export function decodeClientFlags(buffer: Buffer): number {
  const flags = buffer.readUInt32BE(0);
  const known = CLIENT_FLAG.FIXED_NEWSTYLE | CLIENT_FLAG.NO_ZEROES;
  if ((flags & ~known) !== 0) throw protocolError(`the client flags 0x${flags.toString(16)} are not known`);
  return flags;
}

/** What a client answers to the flags of a server: all that both know. */
export function answerFlags(handshakeFlags: number): number {
  return (
    (handshakeFlags & HANDSHAKE_FLAG.FIXED_NEWSTYLE ? CLIENT_FLAG.FIXED_NEWSTYLE : 0) |
    (handshakeFlags & HANDSHAKE_FLAG.NO_ZEROES ? CLIENT_FLAG.NO_ZEROES : 0)
  );
}
