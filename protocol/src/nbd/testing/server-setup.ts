import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import type { Disk } from '../../disk.ts';
import { MemoryDisk, type MemoryDiskOptions } from '../../memory-disk.ts';
import { connectNbdOver, type ConnectOptions } from '../client.ts';
import type { NbdDisk } from '../nbd-disk.ts';
import type { ExportCatalog } from '../export-catalog.ts';
import { type ServeOptions, serveConnection } from '../server.ts';
import { HungUpError } from './raw-client.ts';

/** Bytes in which each position can be told from its neighbours. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) % 256);
}

export function memoryDisk(length: number, options?: Partial<MemoryDiskOptions>): MemoryDisk {
  return new MemoryDisk(pattern(length), options);
}

/** A disk with some of its methods replaced. */
export function altered(disk: Disk, methods: Partial<Disk>): Disk {
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    readOnly: disk.readOnly,
    read: (offset, target) => disk.read(offset, target),
    write: (offset, data, options) => disk.write(offset, data, options),
    flush: () => disk.flush(),
    discard: (offset, length) => disk.discard(offset, length),
    writeZeroes: (offset, length, options) => disk.writeZeroes(offset, length, options),
    close: () => disk.close(),
    ...methods,
  };
}

export function catalogOf(disks: Readonly<Record<string, Disk>>): ExportCatalog {
  return {
    list: async () => Object.keys(disks).map((name) => ({ name, description: `the disk ${name}` })),
    open: async (name) => (Object.hasOwn(disks, name) ? disks[name] : undefined),
  };
}

export interface Served {
  /** The client's end. */
  readonly stream: Duplex;
  /** Settles when the server has done with the connection. */
  readonly ended: Promise<void>;
}

/** A server at the other end of a stream in memory, which lets everybody in or asks a function. */
export function serveInMemory(
  admission: ExportCatalog | Parameters<typeof serveConnection>[1],
  options?: ServeOptions,
): Served {
  const admit = typeof admission === 'function' ? admission : () => ({ catalog: admission });
  const [stream, serverSide] = duplexPair();
  // The pair hands over the very buffers that are written, which a socket would copy before it calls back.
  // A client closes its side when the server does.
  stream.allowHalfOpen = false;
  const push = stream.push.bind(stream);
  stream.push = (bytes: Buffer | null) => push(bytes === null ? null : Buffer.from(bytes));
  // The pair does not pass a destruction on, as a socket would.
  stream.on('close', () => serverSide.destroy());
  serverSide.on('close', () => stream.destroy());
  return { stream, ended: serveConnection(serverSide, admit, options) };
}

/** A client connected to the disk "sda" in memory; closed at the end of the test. */
export async function connectInMemory(
  t: TestContext,
  disk: Disk,
  options?: ConnectOptions & ServeOptions,
): Promise<NbdDisk> {
  const { stream, ended } = serveInMemory(catalogOf({ sda: disk }), options);
  const remote = await connectNbdOver(stream, { exportName: 'sda', peer: 'the test' }, options);
  t.after(async () => {
    await remote.close();
    await ended;
  });
  return remote;
}

/** A TCP server on a free port of the loop-back interface, gone at the end of the test. */
export async function listen(t: TestContext, onConnection: (socket: Socket) => unknown): Promise<number> {
  const sockets = new Set<Socket>();
  const serve = async (socket: Socket): Promise<void> => {
    try {
      await onConnection(socket);
    } catch (error) {
      // A client that gives up, be it because this machine is slow, is no failure of its server.
      if (!(error instanceof HungUpError)) throw error;
    }
  };
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    void serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
