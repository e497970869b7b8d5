import assert from 'node:assert/strict';
import { once } from 'node:events';
import { truncateSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { before, describe, test, type TestContext } from 'node:test';
import { builtClient } from '../setup/built-client.ts';
import { type Certificates, clientTlsOf, makeCertificates } from '../setup/certificates.ts';
import { connectionsClosed } from '../setup/connections-closed.ts';
import { type ImagingClient, startImagingClient } from '../setup/imaging-client.ts';
import { openFiles, peakMemory, peakOwnMemory } from '../setup/process-facts.ts';
import { MIB, scratchFolder } from '../setup/scratch.ts';
import { until } from '../setup/wait.ts';
import { request } from '../wire/messages.ts';
import { COMMAND, SIMPLE_REPLY_MAGIC } from '../wire/numbers.ts';
import { enterRaw, type RawConnection, secure } from '../wire/raw-connection.ts';

const CONNECTIONS = 100;
const REQUESTS = 64;
const LENGTH = 32 * MIB;
const DISK_SIZE = 64 * MIB;
/**
 * The most memory that the imaging client may have of its own, in bytes. Of the 256 MB that are advised, the secondary OS has
 * some 60 for itself; what is left besides is for pages of the executable.
 */
const BUDGET = 128 * MIB;
/** Every connection gets its turn: so much of its first answer must come, in bytes. */
const FIRST_ANSWER = 16 + LENGTH;

async function connectAll(client: ImagingClient, certificates?: Certificates): Promise<RawConnection[]> {
  const connections: RawConnection[] = [];
  for (let count = 0; count < CONNECTIONS; count++) {
    const socket = connectTcp(client.port, client.host);
    await once(socket, 'connect');
    const stream = certificates === undefined ? socket : await secure(socket, clientTlsOf(certificates));
    connections.push(await enterRaw(stream, 'disk.raw'));
  }
  return connections;
}

async function start(
  t: TestContext,
  { writable = false, tls = false },
): Promise<{ client: ImagingClient; certificates: Certificates | undefined }> {
  const folder = scratchFolder(t);
  const file = join(folder, 'disk.raw');
  writeFileSync(file, '');
  truncateSync(file, DISK_SIZE);
  const certificates = tls ? await makeCertificates(join(folder, 'certificates')) : undefined;
  const client = await startImagingClient(t, { disks: [file], writable, certificates, executable });
  return { client, certificates };
}

function assertWithinBudget(t: TestContext, client: ImagingClient): void {
  const peak = peakOwnMemory(client.pid);
  t.diagnostic(`${Math.round(peak / MIB)} MiB at most, and pages of files`);
  assert.ok(client.isRunning());
  assert.ok(peak < BUDGET, `the client had ${Math.round(peak / MIB)} MiB of its own`);
}

async function hangUpAll(client: ImagingClient, connections: RawConnection[], files: number): Promise<void> {
  for (const { stream } of connections) stream.destroy();
  await connectionsClosed(client.pid, files);
}

let executable: string;
before(async () => {
  executable = await builtClient();
});

describe(`${CONNECTIONS} connections with ${REQUESTS} requests of 32 MiB each`, () => {
  const reads = Array.from({ length: REQUESTS }, (_, index) =>
    request({ type: COMMAND.READ, cookie: BigInt(index), offset: 0, length: LENGTH }),
  );

  for (const tls of [false, true]) {
    test(`READs over ${tls ? 'TLS' : 'plain text'} that nobody takes, then one each`, async (t) => {
      const { client, certificates } = await start(t, { tls });
      const files = openFiles(client.pid);
      const connections = await connectAll(client, certificates);
      for (const { stream } of connections) {
        stream.pause();
        stream.write(Buffer.concat(reads));
      }
      await stillness(client);
      assertWithinBudget(t, client);
      await Promise.all(connections.map(takeFirstAnswer));
      assertWithinBudget(t, client);
      await hangUpAll(client, connections, files);
    });
  }

  test('WRITEs whose data stop in the middle', async (t) => {
    const { client } = await start(t, { writable: true });
    const files = openFiles(client.pid);
    const connections = await connectAll(client);
    const header = request({ type: COMMAND.WRITE, cookie: 1n, offset: 0, length: LENGTH });
    const part = Buffer.alloc(LENGTH - MIB, 0x5a);
    await Promise.all(
      connections.map(async ({ stream }) => {
        stream.write(header);
        if (!stream.write(part)) await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
      }),
    );
    assertWithinBudget(t, client);
    await hangUpAll(client, connections, files);
  });

  test('options of 4 GiB, and a handshake that is never finished', async (t) => {
    const { client } = await start(t, {});
    const files = openFiles(client.pid);
    const sockets: Socket[] = [];
    for (let count = 0; count < CONNECTIONS; count++) {
      const socket = connectTcp(client.port, client.host);
      socket.on('error', () => {});
      await once(socket, 'connect');
      // NBD_OPT_GO with a length of 2^32 - 1, and as much of it as the server takes.
      socket.write(Buffer.from('0000000349484156454f505400000007ffffffff', 'hex'));
      socket.write(Buffer.alloc(4 * MIB));
      sockets.push(socket);
    }
    await stillness(client);
    assertWithinBudget(t, client);
    for (const socket of sockets) socket.destroy();
    await connectionsClosed(client.pid, files);
  });
});

/** Waits until the server has no more to do for what it was asked: its memory stays the same for a while. */
async function stillness(client: ImagingClient): Promise<void> {
  let last = 0;
  let same = 0;
  await until('the server at rest', () => {
    const now = peakMemory(client.pid);
    same = now === last ? same + 1 : 0;
    last = now;
    return same > 50;
  });
}

async function takeFirstAnswer({ stream, queue }: RawConnection): Promise<void> {
  stream.resume();
  const header = await queue.take(4);
  assert.equal(header.readUInt32BE(0), SIMPLE_REPLY_MAGIC);
  for (let taken = 4; taken < FIRST_ANSWER; ) {
    const length = Math.min(FIRST_ANSWER - taken, Math.max(1, queue.length));
    taken += (await queue.take(length)).length;
  }
  stream.pause();
}
