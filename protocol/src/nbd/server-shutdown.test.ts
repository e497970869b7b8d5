import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { COMMAND, ERROR, OPTION, OPTION_REPLY } from './constants.ts';
import { encodeOption } from './options.ts';
import { enter, go, greet, optionReply, request, simpleReply } from './testing/conversation.ts';
import { altered, catalogOf, memoryDisk, pattern } from './testing/server-setup.ts';

/** A disk whose reads wait for the test. */
function gated(): { disk: ReturnType<typeof altered>; started: Promise<void>; open: () => void } {
  const inner = memoryDisk(4096);
  const gate = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const disk = altered(inner, {
    read: async (offset, target) => {
      started.resolve();
      await gate.promise;
      await inner.read(offset, target);
    },
  });
  return { disk, started: started.promise, open: gate.resolve };
}

describe('a server that is shut down', () => {
  test('refuses options from then on, with the reason, and hangs up', async (t) => {
    const controller = new AbortController();
    const options = { shutdown: controller.signal };
    for (const option of [go('sda'), encodeOption(OPTION.LIST), encodeOption(99)]) {
      const { client, ended } = await greet(t, catalogOf({ sda: memoryDisk(512) }), options);
      controller.abort();
      client.send(option);
      const { type, data } = await optionReply(client);
      assert.equal(type, OPTION_REPLY.ERR_SHUTDOWN);
      assert.match(data.toString(), /shut down/);
      assert.equal((await client.receiveToEnd()).length, 0);
      await ended;
    }
  });

  test('still acknowledges a client that leaves', async (t) => {
    const shutdown = AbortSignal.abort();
    const { client } = await greet(t, catalogOf({}), { shutdown });
    client.send(encodeOption(OPTION.ABORT));
    assert.equal((await optionReply(client)).type, OPTION_REPLY.ACK);
  });

  test('hangs up on an export name, and on a client that asks nothing', async (t) => {
    for (const bytes of [encodeOption(OPTION.EXPORT_NAME, Buffer.from('sda')), Buffer.alloc(0)]) {
      const catalog = catalogOf({ sda: memoryDisk(512) });
      const { client, ended } = await greet(t, catalog, { shutdown: AbortSignal.abort() });
      if (bytes.length > 0) client.send(bytes);
      assert.equal((await client.receiveToEnd()).length, 0);
      await ended;
    }
  });

  test('closes connections that have nothing under way at once', async (t) => {
    const controller = new AbortController();
    const { client, ended } = await enter(t, memoryDisk(512), { shutdown: controller.signal });
    controller.abort();
    assert.equal((await client.receiveToEnd()).length, 0);
    await ended;
  });

  test('carries out what is under way, refuses what comes later, and then closes the connection', async (t) => {
    const controller = new AbortController();
    const { disk, started, open } = gated();
    let closed = false;
    const closing = altered(disk, {
      close: async () => {
        closed = true;
      },
    });
    const { client, ended } = await enter(t, closing, { shutdown: controller.signal });
    client.send(request({ cookie: 1n, length: 512 }));
    await started;
    controller.abort();
    for (const type of [COMMAND.READ, COMMAND.FLUSH]) {
      client.send(request({ cookie: 2n, type, length: 512 }));
      assert.deepEqual(await simpleReply(client), { error: ERROR.ESHUTDOWN, cookie: 2n });
    }
    client.send(request({ cookie: 3n, type: COMMAND.WRITE, length: 512 }), Buffer.alloc(512));
    assert.deepEqual(await simpleReply(client), { error: ERROR.ESHUTDOWN, cookie: 3n });
    open();
    assert.deepEqual(await simpleReply(client), { error: 0, cookie: 1n });
    assert.deepEqual(await client.receive(512), Buffer.from(pattern(512)));
    assert.equal((await client.receiveToEnd()).length, 0);
    await ended;
    assert.equal(closed, true);
  });

  test('receives the rest of a write that had begun, and carries it out', async (t) => {
    const controller = new AbortController();
    const disk = memoryDisk(4096);
    const { client, ended } = await enter(t, disk, { shutdown: controller.signal });
    client.send(request({ cookie: 7n, type: COMMAND.FLUSH }));
    client.send(request({ cookie: 8n, type: COMMAND.WRITE, length: 1024 }), Buffer.alloc(512, 0xab));
    assert.equal((await simpleReply(client)).cookie, 7n);
    controller.abort();
    client.send(Buffer.alloc(512, 0xab));
    assert.deepEqual(await simpleReply(client), { error: 0, cookie: 8n });
    await client.receiveToEnd();
    await ended;
    assert.deepEqual(disk.bytes.subarray(0, 1024), new Uint8Array(1024).fill(0xab));
  });

  test('does not let a client that goes on asking keep the connection', async (t) => {
    const controller = new AbortController();
    const { disk, started, open } = gated();
    const { client, ended } = await enter(t, disk, { shutdown: controller.signal });
    client.send(request({ cookie: 1n, length: 512 }));
    await started;
    controller.abort();
    open();
    const asking = setInterval(() => client.send(request({ cookie: 2n, length: 512 })), 1);
    t.after(() => clearInterval(asking));
    await client.receiveToEnd();
    await ended;
  });

  test('that is told to end at once waits for nobody', async (t) => {
    const controller = new AbortController();
    const { disk, started, open } = gated();
    const { client, ended } = await enter(t, disk, { signal: controller.signal });
    client.send(request({ length: 512 }));
    await started;
    controller.abort();
    assert.equal((await client.receiveToEnd()).length, 0);
    open();
    await ended;
  });
});
