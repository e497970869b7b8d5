import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Gate } from './boot-decision.ts';
import { chooseLoader, type Loader, loaderFile } from './loaders.ts';
import { uuidOnTheWire } from './machine-key.ts';
import { proxyAnswer } from './proxy-answer.ts';
import type { WireInterface } from './wire-interface.ts';

const BOOT_SERVER_PORT = 4011;

export interface ProxyPortOptions {
  readonly wire: WireInterface;
  readonly loaders: readonly Loader[];
  /** Of our own HTTP server, without a slash at the end. */
  readonly httpUrl: string;
  /** As it is now. */
  readonly gate: () => Gate;
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
  gate,
  onNote,
}: ProxyPortOptions): Promise<{ close(): Promise<void> }> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (request, { address, port }) => {
    if (!wire.contains(address)) return;
    const answer = proxyAnswer(request, {
      address: wire.address,
      fileFor: ({ isIpxe, architecture, mac, uuidBytes }) => {
        const loader = chooseLoader(loaders, architecture, wantsSigned(gate(), mac, uuidBytes));
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

function wantsSigned({ signed, uuids }: Gate, mac: string, uuidBytes: string | undefined): boolean {
  if (signed === 'all' || signed.has(mac)) return true;
  if (uuidBytes === undefined) return false;
  return [...uuids.keys()].some((uuid) => signed.has(uuid) && uuidOnTheWire(uuid).includes(uuidBytes));
}
