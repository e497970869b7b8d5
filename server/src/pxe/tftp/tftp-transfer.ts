import type { Socket } from 'node:dgram';
import { DiskferryError } from '@diskferry/system/errors';
import { dataMessage, optionAnswer, parseReply, type ReadRequest } from './tftp-message.ts';
import { agree } from './tftp-options.ts';

/** Block numbers have 16 bits and begin anew: the initrd has more blocks where the client takes small ones. */
const BLOCK_NUMBERS = 0x10000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 8_000;
/** Together some 45 s of silence. */
const TRIES = 8;

/** Something that can be loaded. */
export interface TftpFile {
  readonly bytes: number;
  read(): AsyncIterable<Buffer>;
}

/**
 * Sends a file to the client that the socket is connected with, block by block, each as soon as the one before is
 * acknowledged.
 *
 * @throws {DiskferryError} `TFTP_ENDED` when the client breaks off or falls silent
 */
export async function sendFile(socket: Socket, file: TftpFile, request: ReadRequest): Promise<void> {
  const { blockBytes, answers } = agree(request.options, file.bytes);
  if (answers.size > 0) await exchange(socket, optionAnswer(answers), 0);
  let block = 1;
  for await (const bytes of blocksOf(file.read(), blockBytes)) {
    const number = block++ % BLOCK_NUMBERS;
    await exchange(socket, dataMessage(number, bytes), number);
  }
}

/** Pieces of that size; the last one is smaller, and empty if need be. */
async function* blocksOf(pieces: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const all = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = all.length - (all.length % bytes);
    for (let at = 0; at < end; at += bytes) yield all.subarray(at, at + bytes);
    rest = all.subarray(end);
  }
  yield rest;
}

/** Sends a message, again after growing pauses, until it is acknowledged. Older acknowledgements are let pass (RFC 1123, 4.2.3.1). */
async function exchange(socket: Socket, message: Buffer, number: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const end = (reason: string): void => reject(new DiskferryError('TFTP_ENDED', reason));
  let tries = 0;
  let timer: NodeJS.Timeout;
  const send = (): void => {
    if (tries === TRIES) return end('no answer');
    socket.send(message);
    timer = setTimeout(send, Math.min(FIRST_PAUSE_MS * 2 ** tries++, LONGEST_PAUSE_MS));
  };
  const onMessage = (bytes: Buffer): void => {
    const reply = parseReply(bytes);
    if (reply === undefined) return;
    if ('ended' in reply) end(reply.ended);
    else if (reply.acknowledged === number) resolve();
  };
  // A port that is closed over there.
  const onError = (error: Error): void => end(error.message);
  const onClose = (): void => end('this server ends');
  socket.on('message', onMessage).on('error', onError).on('close', onClose);
  try {
    send();
    await promise;
  } finally {
    clearTimeout(timer!);
    socket.off('message', onMessage).off('error', onError).off('close', onClose);
  }
}
