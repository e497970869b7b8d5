import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { COMMAND } from './constants.ts';
import { encodeClientFlags } from './handshake.ts';
import { serveConnection } from './server.ts';
import { assertUsable, enter, go, optionReplies, request, simpleReply } from './testing/conversation.ts';
import { RawClient } from './testing/raw-client.ts';
import { altered, catalogOf, listen, memoryDisk } from './testing/server-setup.ts';

const progressTimeoutMs = 200;

/** A clock for the watch over progress that only the test moves; `pass` lets it look as often as it does in that time. */
function stoppedClock(t: TestContext): { pass: (ms: number) => void } {
  let now = 0;
  t.mock.timers.enable({ apis: ['setInterval'] });
  t.mock.method(performance, 'now', () => now);
  return {
    pass: (ms) => {
      for (let passed = 0; passed < ms; passed += 25) {
        now += 25;
        t.mock.timers.tick(25);
      }
    },
  };
}

describe('the server hangs up on a client', () => {
  for (const [what, bytes] of [
    ['that does not finish a request', request({}).subarray(0, 20)],
    [
      'that does not deliver the data of a write',
      Buffer.concat([request({ type: COMMAND.WRITE, length: 1024 }), Buffer.alloc(1000)]),
    ],
    [
      'that does not deliver the data of a write that was refused',
      request({ type: COMMAND.WRITE, offset: 2 ** 40, length: 1024 }),
    ],
  ] as const) {
    test(what, async (t) => {
      const { client, ended } = await enter(t, memoryDisk(4096), { progressTimeoutMs });
      client.send(bytes);
      await client.receiveToEnd();
      await ended;
    });
  }

  test('that delivers one byte now and then', async (t) => {
    const { client, ended } = await enter(t, memoryDisk(4096), { progressTimeoutMs });
    client.send(request({ type: COMMAND.WRITE, length: 4096 }));
    const dripping = setInterval(() => client.send(Buffer.alloc(1)), 20);
    t.after(() => clearInterval(dripping));
    await client.receiveToEnd();
    await ended;
  });

  test('that does not take its answers', async (t) => {
    const disk = altered(memoryDisk(512), { size: 2 ** 30, read: async () => {} });
    const ended = Promise.withResolvers<void>();
    const port = await listen(t, (socket) => {
      const admit = () => ({ catalog: catalogOf({ sda: disk }) });
      void serveConnection(socket, admit, { progressTimeoutMs }).then(ended.resolve);
    });
    const socket = connect(port, '127.0.0.1');
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    socket.on('error', () => {});
    socket.write(Buffer.concat([encodeClientFlags(3), go('sda')]));
    for (let index = 0; index < 32; index++) socket.write(request({ length: 32 * 1024 * 1024 }));
    await ended.promise;
  });
});

describe('the server keeps a client', () => {
  test('that owes nothing and is silent', async (t) => {
    const { pass } = stoppedClock(t);
    const { client } = await enter(t, memoryDisk(4096), { progressTimeoutMs });
    pass(10 * progressTimeoutMs);
    await assertUsable(client);
  });

  test('that waits for a slow disk', async (t) => {
    const { pass } = stoppedClock(t);
    const inner = memoryDisk(4096);
    const disk = altered(inner, {
      read: async (offset, target) => {
        pass(10 * progressTimeoutMs);
        await inner.read(offset, target);
      },
    });
    const { client } = await enter(t, disk, { progressTimeoutMs });
    await assertUsable(client);
  });

  test('that closes its side behind its last request, until the answers are sent', async (t) => {
    const inner = memoryDisk(4096);
    const gate = Promise.withResolvers<void>();
    const disk = altered(inner, {
      read: async (offset, target) => {
        await gate.promise;
        await inner.read(offset, target);
      },
    });
    const ended = Promise.withResolvers<void>();
    const port = await listen(t, (socket) => {
      void serveConnection(socket, () => ({ catalog: catalogOf({ sda: disk }) })).then(ended.resolve);
    });
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const client = new RawClient(socket);
    await client.receive(18);
    client.send(encodeClientFlags(3), go('sda'));
    await optionReplies(client);
    client.send(request({ cookie: 6n, length: 512 }));
    socket.end();
    await once(socket, 'finish');
    gate.resolve();
    assert.deepEqual(await simpleReply(client), { error: 0, cookie: 6n });
    await client.receive(512);
    socket.destroy();
    await ended.promise;
  });
});
