import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { ClientTls } from '@diskferry/protocol/nbd/client-tls';
import { ByteQueue } from './byte-queue.ts';
import { CLIENT_FLAGS, infoRequest, option } from './messages.ts';
import { OPTION, OPTION_ERRORS, OPTION_REPLY } from './numbers.ts';

const GREETING_BYTES = 18;
const OPTION_REPLY_HEADER = 20;
/** NBD_INFO_BLOCK_SIZE. */
const BLOCK_SIZES = 3;

/** A connection whose bytes a test writes itself. */
export interface RawConnection {
  readonly stream: Duplex;
  readonly queue: ByteQueue;
}

/** Goes through the handshake up to TLS. To be followed by {@link enterRaw} on what it returns. */
export async function secure(stream: Duplex, { secureContext }: ClientTls): Promise<TLSSocket> {
  await read(stream, GREETING_BYTES);
  stream.write(Buffer.concat([CLIENT_FLAGS, option(OPTION.STARTTLS)]));
  const reply = await read(stream, OPTION_REPLY_HEADER);
  assert.equal(reply.readUInt32BE(12), OPTION_REPLY.ACK, 'NBD_OPT_STARTTLS');
  const socket = connectTls({ socket: stream, secureContext, rejectUnauthorized: false });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** Enters an export with simple replies. */
export async function enterRaw(stream: Duplex, exportName: string): Promise<RawConnection> {
  stream.on('error', () => {});
  const queue = new ByteQueue(stream);
  if (!('encrypted' in stream)) {
    await queue.take(GREETING_BYTES);
    stream.write(CLIENT_FLAGS);
  }
  stream.write(option(OPTION.GO, infoRequest(exportName, [BLOCK_SIZES])));
  for (;;) {
    const header = await queue.take(OPTION_REPLY_HEADER);
    const type = header.readUInt32BE(12);
    const data = await queue.take(header.readUInt32BE(16));
    if (type >= OPTION_ERRORS) throw new Error(`NBD_OPT_GO is refused: ${data.toString()}`);
    if (type === OPTION_REPLY.ACK) return { stream, queue };
  }
}

/** Takes bytes without making the stream flow, so that TLS can take the stream over. */
async function read(stream: Duplex, length: number): Promise<Buffer> {
  for (;;) {
    const bytes = stream.read(length) as Buffer | null;
    if (bytes !== null) return bytes;
    await once(stream, 'readable');
  }
}
