import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import type { ExportCatalog } from '@diskferry/protocol/nbd/export-catalog';
import { listExports } from '@diskferry/protocol/nbd/client';
import { openAccess } from '../access/access.ts';
import type { Peer } from '../access/peer.ts';
import { startDiskServer } from './disk-server.ts';

const NO_DISKS: ExportCatalog = { list: async () => [], open: async () => undefined };
const OPEN = { access: openAccess({ writable: false }), catalogFor: () => NO_DISKS };
/** Far more than any wait needs, counted from its beginning; a test that waits so long has failed. */
const bound = () => ({ signal: AbortSignal.timeout(60_000) });

async function greeting(socket: Socket): Promise<string> {
  const [data] = (await once(socket, 'data', bound())) as [Buffer];
  return data.toString('latin1', 0, 8);
}

test('garbage and a reset on one connection leave the others and the server alone', async () => {
  const server = await startDiskServer({ port: 0, host: '127.0.0.1', ...OPEN });
  const sockets = [0, 1, 2].map(() => connect(server.port, '127.0.0.1').on('error', () => {}));
  const [garbage, reset, quiet] = sockets as [Socket, Socket, Socket];
  await Promise.all(sockets.map(greeting));
  garbage.write(Buffer.alloc(1000, 0xff));
  reset.resetAndDestroy();
  await once(garbage, 'close', bound());
  assert.equal(quiet.readyState, 'open');
  const next = connect(server.port, '127.0.0.1');
  assert.equal(await greeting(next), 'NBDMAGIC');
  await server.close();
});

test('connections over the limit are closed at once, and one that ends makes room', async () => {
  const server = await startDiskServer({
    port: 0,
    host: '127.0.0.1',
    ...OPEN,
    maxConnections: 1,
  });
  const first = connect(server.port, '127.0.0.1');
  await greeting(first);
  const second = connect(server.port, '127.0.0.1');
  let received = 0;
  second.on('data', ({ length }) => (received += length));
  second.on('error', () => {});
  await once(second, 'close', bound());
  assert.equal(received, 0);
  first.end();
  await once(first, 'close', bound());
  const third = connect(server.port, '127.0.0.1');
  assert.equal(await greeting(third), 'NBDMAGIC');
  await server.close();
});

test('closing ends connections that are open', async () => {
  const server = await startDiskServer({ port: 0, host: '127.0.0.1', ...OPEN });
  const socket = connect(server.port, '127.0.0.1');
  await greeting(socket);
  socket.on('error', () => {});
  const closed = once(socket, 'close', bound());
  await server.close();
  await closed;
});

test('the catalog is told who is there, by its address, IPv4 without the IPv6 prefix', async () => {
  const peers: string[] = [];
  const catalogFor = ({ name }: Peer): ExportCatalog => {
    peers.push(name);
    return NO_DISKS;
  };
  const server = await startDiskServer({ ...OPEN, port: 0, catalogFor });
  await listExports({ host: '127.0.0.1', port: server.port });
  await server.close();
  assert.deepEqual(peers, ['127.0.0.1']);
});
