import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { ownAddress } from '@diskferry/protocol/nbd/testing/own-address';
import { atEnd } from '../setup/at-end.ts';

export type Direction = 'to the client' | 'to the server';

/** What happens to a connection after so many bytes in one direction. */
export interface Fault {
  readonly kind: /** Both sides get a TCP reset. */
    | 'reset'
    /** Both sides get a regular end. */
    | 'end'
    /** Nothing comes through any more, and nobody is told. */
    | 'silence';
  readonly direction: Direction;
  readonly afterBytes: number;
}

/** A TCP connection through it meets the fault that was planned for it, or none. */
export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** For the next connections, one each. */
  plan(...faults: readonly Fault[]): void;
  /** Connections so far. */
  connections(): number;
  /** Bytes that went through the last connection. */
  bytes(direction: Direction): number;
  /** Whether connections are accepted; those that there are end when they are not. */
  setOpen(isOpen: boolean): void;
}

/** Stands between a client and a server. */
export async function startFaultProxy(
  test: TestContext,
  target: { readonly host: string; readonly port: number },
): Promise<FaultProxy> {
  const planned: Fault[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let open = true;
  let counts: Record<Direction, number> = { 'to the client': 0, 'to the server': 0 };

  const proxy = createServer({ noDelay: true }, (client) => {
    if (!open) {
      client.resetAndDestroy();
      return;
    }
    connections++;
    const counted = { 'to the client': 0, 'to the server': 0 };
    counts = counted;
    const server = connect({ port: target.port, host: target.host, noDelay: true });
    const fault = planned.shift();
    const ends = { 'to the client': client, 'to the server': server };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    let isStruck = false;
    const strike = (): void => {
      isStruck = true;
      if (fault?.kind === 'reset') for (const socket of [client, server]) socket.resetAndDestroy();
      else if (fault?.kind === 'end') for (const socket of [client, server]) socket.destroySoon();
      else for (const socket of [client, server]) socket.removeAllListeners('data');
    };
    const forward = (from: Socket, direction: Direction): void => {
      const to = ends[direction];
      const limit = fault?.direction === direction ? fault.afterBytes : Number.POSITIVE_INFINITY;
      from.on('data', (chunk: Buffer) => {
        if (isStruck || counted[direction] >= limit) return;
        const passing = chunk.subarray(0, limit - counted[direction]);
        counted[direction] += passing.length;
        if (counted[direction] >= limit) {
          to.write(passing, strike);
        } else if (!to.write(passing)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
      from.on('end', () => to.end());
      from.on('close', () => to.destroySoon());
      if (limit === 0) strike();
    };
    forward(server, 'to the client');
    forward(client, 'to the server');
  });
  const own = ownAddress();
  proxy.listen(own);
  await once(proxy, 'listening');
  atEnd(test, () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return {
    ...own,
    plan: (...faults) => void planned.push(...faults),
    connections: () => connections,
    bytes: (direction) => counts[direction],
    setOpen(isOpen) {
      open = isOpen;
      if (!isOpen) for (const socket of sockets) socket.resetAndDestroy();
    },
  };
}
