import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Loader, loaderFile } from './loaders.ts';
import { proxyAnswer } from './proxy-answer.ts';
import type { WireInterface } from './wire-interface.ts';

const BOOT_SERVER_PORT = 4011;

export interface ProxyPortOptions {
  readonly wire: WireInterface;
  readonly loaders: readonly Loader[];
  /** Of our own HTTP server, without a slash at the end. */
  readonly httpUrl: string;
  readonly onNote: (text: string) => void;
}

/**
 * Answers machines that ask at the port of boot servers, in place of dnsmasq. That has the port too, for all addresses of
 * the interface; Linux gives what is sent to one address to the socket that is bound to it.
 */
export async function openProxyPort({
  wire,
  loaders,
  httpUrl,
  onNote,
}: ProxyPortOptions): Promise<{ close(): Promise<void> }> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (request, { address, port }) => {
    if (!wire.contains(address)) return;
    const answer = proxyAnswer(request, {
      address: wire.address,
      fileFor: ({ isIpxe, architecture }) => {
        const loader = loaders.find(({ architectures }) => architectures.includes(architecture));
        if (loader === undefined) return undefined;
        return isIpxe ? `${httpUrl}/ipxe` : loaderFile(loader, httpUrl);
      },
    });
    if (answer !== undefined) socket.send(answer, port, address);
  });
  socket.bind({ address: wire.address, port: BOOT_SERVER_PORT, exclusive: true });
  await once(socket, 'listening');
  socket.on('error', (error) => onNote(`UDP port ${BOOT_SERVER_PORT}: ${error.message}`));
  return {
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}
