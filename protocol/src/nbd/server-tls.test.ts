import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { INFO, OPTION, OPTION_REPLY } from './constants.ts';
import type { Admission } from './export-catalog.ts';
import { encodeClientFlags } from './handshake.ts';
import { encodeMetaContextRequest } from './meta-contexts.ts';
import { encodeOption } from './options.ts';
import { type ServeOptions, serveConnection } from './server.ts';
import {
  agree,
  assertUsable,
  chunk,
  go,
  GREETING,
  greet,
  optionReplies,
  optionReply,
  request,
  simpleReply,
} from './testing/conversation.ts';
import { hex, toHex } from './testing/hex.ts';
import { RawClient } from './testing/raw-client.ts';
import { altered, catalogOf, listen, memoryDisk, pattern } from './testing/server-setup.ts';
import { clientTls, serverSecureContext } from './testing/tls-keys.ts';

const STARTTLS = encodeOption(OPTION.STARTTLS);
const tls = (): { secureContext: ReturnType<typeof serverSecureContext>; required: boolean } => ({
  secureContext: serverSecureContext(),
  required: true,
});

interface Plain {
  readonly stream: Socket;
  readonly client: RawClient;
  readonly ended: Promise<void>;
}

/** A client of a server over TCP, behind the greeting. */
async function plain(
  t: TestContext,
  options: ServeOptions = { tls: tls() },
  admit: Parameters<typeof serveConnection>[1] = () => ({ catalog: catalogOf({ sda: memoryDisk(4096) }) }),
): Promise<Plain> {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const port = await listen(t, (socket) => serveConnection(socket, admit, options).then(resolve));
  const stream = connectTcp(port, '127.0.0.1');
  const client = new RawClient(stream);
  t.after(() => client.hangUp());
  assert.equal(toHex(await client.receive(18)), GREETING);
  client.send(encodeClientFlags(3));
  return { stream, client, ended };
}

/** Goes on in TLS. */
async function secure({ stream, client }: Plain, withKey = true): Promise<TLSSocket> {
  client.send(STARTTLS);
  assert.equal((await optionReply(client)).type, OPTION_REPLY.ACK);
  return handshake(stream, withKey);
}

async function handshake(stream: Socket, withKey = true): Promise<TLSSocket> {
  const socket = connect({
    socket: stream,
    rejectUnauthorized: false,
    ...(withKey ? { secureContext: clientTls().secureContext } : {}),
  });
  await once(socket, 'secureConnect');
  return socket;
}

async function assertRefused(client: RawClient, option: Uint8Array, type: number): Promise<void> {
  client.send(option);
  const reply = await optionReply(client);
  assert.equal(reply.type, type);
  assert.notEqual(reply.data.toString(), '');
}

describe('a server that demands TLS', () => {
  test('serves over TLS 1.3', async (t) => {
    const connection = await plain(t);
    const secured = await secure(connection);
    assert.equal(secured.getProtocol(), 'TLSv1.3');
    const client = new RawClient(secured);
    client.send(go('sda'));
    assert.equal((await optionReplies(client)).at(-1)?.type, OPTION_REPLY.ACK);
    await assertUsable(client);
    client.hangUp();
    await connection.ended;
  });

  test('refuses every other option but ABORT before, known or not, and serves nothing', async (t) => {
    let asked = 0;
    const admit = (): Admission => {
      asked++;
      return { catalog: catalogOf({ sda: memoryDisk(512) }) };
    };
    const { client } = await plain(t, { tls: tls() }, admit);
    for (const option of [3, 4, 6, 7, 8, 9, 10, 11, 99]) {
      await assertRefused(client, encodeOption(option, hex('00')), OPTION_REPLY.ERR_TLS_REQD);
    }
    await assertRefused(client, go('sda'), OPTION_REPLY.ERR_TLS_REQD);
    await assertRefused(client, encodeOption(OPTION.GO, Buffer.alloc(70_000)), OPTION_REPLY.ERR_TLS_REQD);
    assert.equal(asked, 0);
    client.send(encodeOption(OPTION.ABORT));
    assert.equal((await optionReply(client)).type, OPTION_REPLY.ACK);
  });

  test('hangs up on an export name before', async (t) => {
    const { client, ended } = await plain(t);
    client.send(encodeOption(OPTION.EXPORT_NAME, Buffer.from('sda')));
    assert.equal((await client.receiveToEnd()).length, 0);
    await ended;
  });

  test('refuses STARTTLS with data, and then accepts one without', async (t) => {
    const connection = await plain(t);
    await assertRefused(
      connection.client,
      encodeOption(OPTION.STARTTLS, hex('00')),
      OPTION_REPLY.ERR_INVALID,
    );
    const client = new RawClient(await secure(connection));
    client.send(go('sda'));
    await optionReplies(client);
    await assertUsable(client);
  });

  test('refuses a second STARTTLS inside of TLS', async (t) => {
    const client = new RawClient(await secure(await plain(t)));
    await assertRefused(client, STARTTLS, OPTION_REPLY.ERR_INVALID);
    client.send(go('sda'));
    await optionReplies(client);
    await assertUsable(client);
  });

  test('decides who sees what by the certificate, and by its absence', async (t) => {
    const seen: (string | undefined)[] = [];
    const admit = (secured: TLSSocket | undefined): Admission => {
      seen.push(secured?.getPeerX509Certificate()?.subject);
      return { refusal: 'not you' };
    };
    for (const withKey of [true, false]) {
      const client = new RawClient(await secure(await plain(t, { tls: tls() }, admit), withKey));
      await assertRefused(client, encodeOption(OPTION.LIST), OPTION_REPLY.ERR_POLICY);
    }
    assert.deepEqual(seen, ['CN=client of the tests', undefined]);
  });

  test('does not read what somebody put behind STARTTLS in plain text', async (t) => {
    for (const injected of [go('sda'), encodeOption(OPTION.LIST), hex('00')]) {
      const { client, ended } = await plain(t);
      client.send(Buffer.concat([STARTTLS, injected]));
      assert.equal((await client.receiveToEnd()).length, 0);
      await ended;
    }
  });

  test('does not read plain options where TLS must begin', async (t) => {
    const { client, ended } = await plain(t);
    client.send(STARTTLS);
    assert.equal((await optionReply(client)).type, OPTION_REPLY.ACK);
    client.send(go('sda'));
    // TLS may say goodbye in its own way, but nothing of NBD comes.
    assert.equal((await client.receiveToEnd()).includes(hex('0003e889045565a9')), false);
    await ended;
  });

  test('gives up on a client that does not begin with TLS in time', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { client, ended } = await plain(t, { tls: tls(), handshakeTimeoutMs: 300 });
    client.send(STARTTLS);
    assert.equal((await optionReply(client)).type, OPTION_REPLY.ACK);
    t.mock.timers.tick(300);
    await client.receiveToEnd();
    await ended;
  });

  test('survives a client that disappears in the TLS handshake', async (t) => {
    for (const bytes of [hex(''), hex('16 03 01 02 00 01 00')]) {
      const { client, ended } = await plain(t);
      client.send(STARTTLS);
      await optionReply(client);
      if (bytes.length > 0) client.send(bytes);
      client.hangUp();
      await ended;
    }
  });

  test('closes the disk when the connection is cut', async (t) => {
    const closed = Promise.withResolvers<void>();
    const disk = altered(memoryDisk(512), { close: async () => closed.resolve() });
    const connection = await plain(t, { tls: tls() }, () => ({ catalog: catalogOf({ sda: disk }) }));
    const client = new RawClient(await secure(connection));
    client.send(go('sda'));
    await optionReplies(client);
    connection.stream.destroy();
    await closed.promise;
    await connection.ended;
  });
});

describe('a server that offers TLS', () => {
  const optional = (): ServeOptions => ({ tls: { ...tls(), required: false } });

  test('serves plain clients', async (t) => {
    const { client } = await plain(t, optional());
    client.send(go('sda'));
    await optionReplies(client);
    await assertUsable(client);
  });

  test('forgets in TLS what was agreed on in plain text', async (t) => {
    const connection = await plain(t, optional());
    const { client } = connection;
    await agree(client, OPTION.STRUCTURED_REPLY);
    const queries = ['base:allocation'];
    await agree(client, OPTION.SET_META_CONTEXT, encodeMetaContextRequest({ exportName: 'sda', queries }));
    const inside = new RawClient(await secure(connection));
    const selecting = encodeMetaContextRequest({ exportName: 'sda', queries });
    await assertRefused(inside, encodeOption(OPTION.SET_META_CONTEXT, selecting), OPTION_REPLY.ERR_INVALID);
    inside.send(go('sda', [INFO.BLOCK_SIZE]), request({ length: 512 }));
    await optionReplies(inside);
    assert.deepEqual(await simpleReply(inside), { error: 0, cookie: 1n });
    assert.deepEqual(await inside.receive(512), Buffer.from(pattern(512)));
  });

  test('agrees in TLS on what was not agreed on before', async (t) => {
    const client = new RawClient(await secure(await plain(t, optional())));
    await agree(client, OPTION.STRUCTURED_REPLY);
    client.send(go('sda'), request({ cookie: 9n, length: 512 }));
    await optionReplies(client);
    assert.equal((await chunk(client)).cookie, 9n);
  });
});

test('a server without a key does not know STARTTLS, and never demands TLS', async (t) => {
  const { client } = await greet(t, catalogOf({ sda: memoryDisk(512) }));
  await assertRefused(client, STARTTLS, OPTION_REPLY.ERR_UNSUP);
  client.send(go('sda'));
  await optionReplies(client);
  await assertUsable(client);
});
