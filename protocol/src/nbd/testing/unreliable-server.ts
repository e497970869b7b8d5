import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { MemoryDisk } from '../../memory-disk.ts';
import { COMMAND, ERROR, TRANSMISSION_FLAG } from '../constants.ts';
import { identityContext } from '../meta-contexts.ts';
import { encodeDataChunk, encodeErrorChunk, encodeNoneChunk } from '../replies.ts';
import type { Request } from '../requests.ts';
import { ownAddress } from './own-address.ts';
import { type Script, ScriptedServer } from './scripted-server.ts';
import { pattern } from './server-setup.ts';

/** What a test does with one request instead of answering it. */
export type Fault = (request: Request, server: ScriptedServer, socket: Socket) => unknown;

const DISK_BYTES = 1024 * 1024;
const CONTENT = pattern(DISK_BYTES);
const { HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES, CAN_MULTI_CONN } = TRANSMISSION_FLAG;
const FLAGS = HAS_FLAGS | SEND_FLUSH | SEND_FUA | SEND_TRIM | SEND_WRITE_ZEROES | CAN_MULTI_CONN;

/** A server on a TCP port that serves a disk in memory, and fails when and how a test wants. */
export class UnreliableServer {
  readonly disk = new MemoryDisk(CONTENT.slice());
  script: Script = {
    size: DISK_BYTES,
    flags: FLAGS,
    description: 'a disk of the tests',
    contexts: [identityContext('5eed')],
  };
  /** What is done with the next connections, in their order; undefined serves one. */
  readonly faultyConnections: (((socket: Socket) => unknown) | undefined)[] = [];
  /** Asked before each request: the fault to make of it, or undefined to answer it. */
  faultOf: (request: Request) => Fault | undefined = () => undefined;
  /** Connections that were made until now. */
  connectionCount = 0;
  /** Connections that are there. */
  readonly sockets = new Set<Socket>();
  /** How often the client asked for a sign of life, by reading behind the end. */
  questionCount = 0;
  /** All other requests that came, answered or not. */
  readonly requests: Request[] = [];
  #server: Server | undefined;
  /** Nobody else's, also while nothing listens there. */
  readonly #own = ownAddress();

  /** Serves until the test ends. */
  static async start(t: TestContext): Promise<UnreliableServer> {
    const server = new UnreliableServer();
    await server.start();
    t.after(() => server.stop());
    return server;
  }

  get address() {
    return { transport: 'tcp', ...this.#own, exportName: 'sda' } as const;
  }

  /** Listens, at the same address as before. */
  async start(): Promise<void> {
    const server = createServer((socket) => {
      this.connectionCount++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
      const serve = this.faultyConnections.shift() ?? ((socket) => this.#serve(socket));
      // A connection that the client gives up ends in the middle of something.
      (async () => serve(socket))().catch(() => socket.destroy());
    });
    this.#server = server;
    server.listen(this.#own);
    await once(server, 'listening');
  }

  /** Ends all connections and listens no more. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.close();
    this.cut();
    await once(server, 'close');
  }

  /** Ends all connections. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** How often a command came. */
  count(command: number): number {
    return this.requests.filter(({ type }) => type === command).length;
  }

  async #serve(socket: Socket): Promise<void> {
    const server = new ScriptedServer(socket, this.script);
    await server.handshake();
    for (;;) {
      const request = await server.request();
      const data = request.type === COMMAND.WRITE ? await server.raw.receive(request.length) : undefined;
      if (request.type === COMMAND.DISC) break;
      if (request.offset === this.script.size) {
        this.questionCount++;
        server.send(encodeErrorChunk(request.cookie, { error: ERROR.EINVAL, message: 'beyond the end' }));
        continue;
      }
      this.requests.push(request);
      const fault = this.faultOf(request);
      if (fault === undefined) await this.#answer(request, server, data);
      else await fault(request, server, socket);
    }
    socket.destroy();
  }

  async #answer({ type, cookie, offset, length }: Request, server: ScriptedServer, data: Buffer | undefined) {
    if (type === COMMAND.READ) {
      const target = Buffer.alloc(length);
      await this.disk.read(offset, target);
      server.send(encodeDataChunk(cookie, offset, target));
      return;
    }
    if (data !== undefined) await this.disk.write(offset, data);
    if (type === COMMAND.WRITE_ZEROES || type === COMMAND.TRIM) await this.disk.writeZeroes(offset, length);
    server.send(encodeNoneChunk(cookie));
  }
}
