import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  type ClientMessage,
  helloMessage,
  MAX_SERVER_MESSAGE_BYTES,
  parseClientMessage,
} from '@diskferry/protocol/control';
import type { Inventory } from '@diskferry/protocol/inventory';
import { type ClientOptions, WebSocket } from 'ws';
import { openAccess } from '../access/access.ts';
import { startControlServer } from './control-server.ts';

const INVENTORY: Inventory = {
  computer: { product: 'Test', firmware: 'bios' },
  processors: { model: 'x', sockets: 1, cores: 1, threads: 1 },
  memoryBytes: 1,
  nics: [],
  disks: [],
};

/** Far more than any wait needs, in ms; a test that waits so long has failed. */
const BOUND_MS = 60_000;

interface ControlPeer {
  readonly socket: WebSocket;
  next(): Promise<ClientMessage>;
}

/** A client of the control channel that loses no message. */
function connect(port: number, options: ClientOptions = {}): ControlPeer {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, options);
  const messages: ClientMessage[] = [];
  socket.on('message', (data) => messages.push(parseClientMessage(data as Buffer)));
  return {
    socket,
    next: async () => {
      const bound = AbortSignal.timeout(BOUND_MS);
      while (messages.length === 0) await once(socket, 'message', { signal: bound });
      return messages.shift() as ClientMessage;
    },
  };
}

async function withServer(
  options: Partial<Parameters<typeof startControlServer>[0]>,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const server = await startControlServer({
    port: 0,
    host: '127.0.0.1',
    version: '1.2.3',
    readInventory: () => INVENTORY,
    listDisks: () => [],
    access: openAccess({ writable: false }),
    ...options,
  });
  try {
    await use(server.port);
  } finally {
    await server.close();
  }
}

test('a server is greeted and gets the inventory that it asks for', async () => {
  await withServer({}, async (port) => {
    const peer = connect(port);
    assert.deepEqual(await peer.next(), helloMessage('1.2.3'));
    peer.socket.send('{"type":"get-inventory","id":7}');
    assert.deepEqual(await peer.next(), { type: 'inventory', id: 7, inventory: INVENTORY });
  });
});

test('a bad message gets an error and the connection goes on', async () => {
  await withServer({}, async (port) => {
    const peer = connect(port);
    await peer.next();
    for (const [bad, expected] of [
      ['no json', { type: 'error', code: 'CONTROL_INVALID' }],
      ['[1]', { type: 'error', code: 'CONTROL_INVALID' }],
      ['{"type":"get-inventory"}', { type: 'error', code: 'CONTROL_INVALID' }],
      ['{"type":"format-disk","id":3}', { type: 'error', id: 3, code: 'CONTROL_UNKNOWN_TYPE' }],
      [Buffer.from([0xff, 0xfe]), { type: 'error', code: 'CONTROL_INVALID' }],
    ] as const) {
      peer.socket.send(bad);
      const { message, ...rest } = (await peer.next()) as ClientMessage & { message: string };
      assert.deepEqual(rest, expected);
      assert.ok(message.length > 10);
    }
    peer.socket.send('{"type":"get-inventory","id":8}');
    assert.equal((await peer.next()).type, 'inventory');
  });
});

test('an error from the server is taken without an answer', async () => {
  await withServer({}, async (port) => {
    const peer = connect(port);
    await peer.next();
    peer.socket.send('{"type":"error","code":"X","message":"y"}');
    peer.socket.send('{"type":"get-inventory","id":9}');
    assert.equal((await peer.next()).type, 'inventory');
  });
});

test('an inventory that cannot be read is answered with the reason', async () => {
  const readInventory = (): never => {
    throw new Error('no /proc here');
  };
  await withServer({ readInventory }, async (port) => {
    const peer = connect(port);
    await peer.next();
    peer.socket.send('{"type":"get-inventory","id":1}');
    assert.deepEqual(await peer.next(), {
      type: 'error',
      id: 1,
      code: 'INVENTORY_FAILED',
      message: 'the inventory cannot be read: no /proc here',
    });
  });
});

test('a message over the limit ends its own connection only', async () => {
  await withServer({}, async (port) => {
    const [large, other] = [connect(port), connect(port)];
    await Promise.all([large.next(), other.next()]);
    large.socket.send(Buffer.alloc(MAX_SERVER_MESSAGE_BYTES + 1));
    const [code] = (await once(large.socket, 'close')) as [number];
    assert.equal(code, 1009);
    other.socket.send('{"type":"get-inventory","id":2}');
    assert.equal((await other.next()).type, 'inventory');
  });
});

test('who asks and does not read is cut off before the answers fill the memory', async () => {
  const access = openAccess({ writable: false });
  const cutOff = Promise.withResolvers<object>();
  access.grants.connectionClosed = cutOff.resolve;
  const large: Inventory = {
    ...INVENTORY,
    nics: Array.from({ length: 1_000 }, () => ({
      name: 'eth0',
      mac: 'x'.repeat(100),
      linkUp: true,
      addresses: [],
    })),
  };
  let answers = 0;
  const readInventory = (): Inventory => {
    answers++;
    return large;
  };
  await withServer({ access, readInventory }, async (port) => {
    const { socket } = connect(port);
    await once(socket, 'open');
    socket.pause();
    // Some 60 MB of answers, far more than the kernel keeps for a connection.
    for (let id = 0; id < 400; id++) socket.send(`{"type":"get-inventory","id":${id}}`);
    await cutOff.promise;
    assert.ok(answers < 400, `${answers} answers`);
    socket.terminate();
  });
});

test('a server that answers pings stays, one that does not is cut off', async (context) => {
  // The time between two pings is that for an answer; it passes when the answer is there.
  context.mock.timers.enable({ apis: ['setInterval'] });
  await withServer({ pingIntervalMs: 1000 }, async (port) => {
    const [awake, asleep] = [connect(port), connect(port, { autoPong: false })];
    await Promise.all([awake.next(), asleep.next()]);
    const pinged = [awake, asleep].map(({ socket }) => once(socket, 'ping'));
    context.mock.timers.tick(1000);
    await Promise.all(pinged);
    const assertServed = async (): Promise<void> => {
      awake.socket.send('{"type":"get-inventory","id":4}');
      assert.equal((await awake.next()).type, 'inventory');
    };
    // Its answer to the ping came before.
    await assertServed();
    const closed = once(asleep.socket, 'close');
    context.mock.timers.tick(1000);
    await closed;
    await assertServed();
  });
});

test('a browser gets a sentence', async () => {
  await withServer({}, async (port) => {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(response.status, 426);
    assert.match(await response.text(), /speaks WebSocket/);
  });
});

test('a port in use is refused with advice', async () => {
  await withServer({}, async (port) => {
    await assert.rejects(
      withServer({ port }, async () => {}),
      {
        code: 'LISTEN_FAILED',
        message: new RegExp(
          `cannot listen on port ${port}: another program .* choose another with --control-port`,
        ),
      },
    );
  });
});
