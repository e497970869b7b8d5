import type { Libc } from './libc.ts';

// <sys/socket.h>
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** struct msghdr on 64-bit Linux: 16 bytes name, 8 address of the iovecs, 8 their number, 24 control data and flags. */
const MESSAGE_BYTES = 56;
const IOVECS_AT = 16;
const IOVEC_COUNT_AT = 24;
/** struct iovec: 8 bytes address, 8 length. */
const IOVEC_BYTES = 16;

/** Sends two pieces of memory as one message of a stream socket, without an object for each message. */
export class SocketMessage {
  readonly #libc: Libc;
  readonly #message = Buffer.alloc(MESSAGE_BYTES);
  readonly #iovecs = Buffer.alloc(2 * IOVEC_BYTES);
  readonly #messageAddress: bigint;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#messageAddress = libc.addressOf(this.#message);
    this.#message.writeBigUInt64LE(libc.addressOf(this.#iovecs), IOVECS_AT);
    this.#message.writeBigUInt64LE(2n, IOVEC_COUNT_AT);
  }

  /** How many bytes of both together the socket took at once; 0 also if the connection is broken. */
  send(
    socket: number,
    header: Uint8Array,
    body: { readonly address: bigint; readonly length: number },
  ): number {
    const { sendmsg, addressOf } = this.#libc;
    this.#iovecs.writeBigUInt64LE(addressOf(header), 0);
    this.#iovecs.writeBigUInt64LE(BigInt(header.length), 8);
    this.#iovecs.writeBigUInt64LE(body.address, IOVEC_BYTES);
    this.#iovecs.writeBigUInt64LE(BigInt(body.length), IOVEC_BYTES + 8);
    return Math.max(0, Number(sendmsg(socket, this.#messageAddress, MSG_DONTWAIT | MSG_NOSIGNAL)));
  }
}
