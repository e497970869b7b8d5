import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { debuglog } from 'node:util';
import { messageOf } from '@diskferry/system/errors';
import { errorMessage, parseReadRequest, type ReadRequest, TFTP_ERRORS } from './tftp-message.ts';
import { sendFile, type TftpFile } from './tftp-transfer.ts';

const debug = debuglog('diskferry:pxe');

/** More than machines that load at once; each has a socket. */
const MOST_TRANSFERS = 512;

export interface TftpServerOptions {
  readonly address: string;
  readonly port: number;
  /** Whether a machine is served at all; others get no answer. */
  readonly serves: (address: string) => boolean;
  /** Finds what a machine asks for; undefined if there is no such file for it. */
  readonly open: (name: string, address: string) => Promise<TftpFile | undefined>;
  /** Told when a machine has got all of a file. */
  readonly onSent: (name: string, address: string) => Promise<void>;
  readonly onNote: (text: string) => void;
}

export interface TftpServer {
  close(): Promise<void>;
}

/**
 * Serves files by TFTP that are decided about when they are asked for, at a port of our own: dnsmasq, which has the usual one,
 * serves what is the same for everybody.
 *
 * @throws {Error} when the port is taken
 */
export async function startTftpServer(options: TftpServerOptions): Promise<TftpServer> {
  const { address, port, serves, onNote } = options;
  const transfers = new Map<string, Socket>();
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const request = parseReadRequest(message);
    const client = `${from.address}:${from.port}`;
    // A client that heard nothing yet asks again from the same port.
    if (!serves(from.address) || transfers.has(client) || transfers.size >= MOST_TRANSFERS) return;
    if (request === undefined) {
      socket.send(
        errorMessage(TFTP_ERRORS.illegal, 'only reading of bytes is served'),
        from.port,
        from.address,
      );
      return;
    }
    const own = createSocket('udp4');
    transfers.set(client, own);
    void answer(request, from, own, options)
      .catch((error: unknown) => debug('%s: %s: %s', client, request.name, messageOf(error)))
      .finally(() => {
        if (transfers.delete(client)) own.close();
      });
  });
  socket.bind({ address, port, exclusive: true });
  await once(socket, 'listening');
  socket.on('error', (error) => onNote(`UDP port ${port}: ${error.message}`));
  return {
    close: async () => {
      for (const own of transfers.values()) own.close();
      transfers.clear();
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** From a port of its own, which tells the transfers apart (RFC 1350, 4). */
async function answer(
  request: ReadRequest,
  from: RemoteInfo,
  socket: Socket,
  { address, open, onSent }: TftpServerOptions,
): Promise<void> {
  socket.bind({ address });
  await once(socket, 'listening');
  // What others send to that port is not heard.
  socket.connect(from.port, from.address);
  await once(socket, 'connect');
  const file = await open(request.name, from.address);
  if (file === undefined) {
    const message = errorMessage(TFTP_ERRORS.notFound, 'there is no such file for this machine');
    await new Promise<void>((resolve) => socket.send(message, () => resolve()));
    return;
  }
  await sendFile(socket, file, request);
  await onSent(request.name, from.address);
}
