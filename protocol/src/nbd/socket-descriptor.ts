import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/**
 * The file descriptor of a socket whose bytes go over the network as they are; undefined for other streams. Node keeps it
 * to itself, so who uses it must take care that the stream sends nothing at the same time, and that it is not closed.
 */
export function descriptorOf(stream: Duplex): number | undefined {
  if (!(stream instanceof Socket) || stream instanceof TLSSocket) return undefined;
  const { _handle: handle } = stream as { _handle?: { readonly fd?: number } | null };
  const descriptor = handle?.fd;
  return descriptor === undefined || descriptor < 0 ? undefined : descriptor;
}
