import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import { type ConnectOptions, connectNbd, connectNbdOver, listExports } from './client.ts';
import { COMMAND, OPTION, OPTION_REPLY } from './constants.ts';
import { CLIENT_FLAGS_BYTES, encodeGreeting } from './handshake.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { NbdError, type NbdErrorCode } from './nbd-error.ts';
import { encodeOptionReply } from './option-replies.ts';
import { OPTION_HEADER_BYTES } from './options.ts';
import { encodeDataChunk } from './replies.ts';
import { RawClient } from './testing/raw-client.ts';
import { type Script, ScriptedServer } from './testing/scripted-server.ts';
import { listen, pattern } from './testing/server-setup.ts';
import { clientTls, serverSecureContext } from './testing/tls-keys.ts';

const MIB = 1024 * 1024;
const FIXED_NEWSTYLE = 1;

function isNbdError(code: NbdErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof NbdError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

/** Connects over TCP, with TLS unless told otherwise, to a server that does what the test says with its socket. */
async function connectTo(
  t: TestContext,
  serve: (socket: Socket) => unknown,
  options: ConnectOptions = {},
): Promise<NbdDisk> {
  const port = await listen(t, serve);
  const address = { transport: 'tcp', host: '127.0.0.1', port, exportName: 'sda' } as const;
  return connectNbd(address, { tls: clientTls(), ...options });
}

/** Greets and reads NBD_OPT_STARTTLS. */
async function untilStartTls(socket: Socket): Promise<RawClient> {
  const raw = new RawClient(socket);
  raw.send(encodeGreeting(FIXED_NEWSTYLE));
  await raw.receive(CLIENT_FLAGS_BYTES + OPTION_HEADER_BYTES);
  return raw;
}

const TLS_AGREED = encodeOptionReply(OPTION.STARTTLS, OPTION_REPLY.ACK);

describe('a client that wants TLS', () => {
  const script: Script = { secureContext: serverSecureContext(), size: MIB };
  const bytes = pattern(MIB);

  /** What the server saw of a client that read all and hung up. */
  interface Seen {
    readonly options: readonly number[];
    readonly version: string | null | undefined;
    readonly clientName: unknown;
  }

  async function serve(stream: Duplex): Promise<Seen> {
    const server = new ScriptedServer(stream, script);
    await server.handshake();
    const { options, secured } = server;
    const version = secured?.getProtocol();
    const clientName = secured?.getPeerCertificate().subject.CN;
    const { cookie, offset, length } = await server.request();
    server.send(encodeDataChunk(cookie, offset, bytes.subarray(offset, offset + length)));
    assert.equal((await server.request()).type, COMMAND.DISC);
    server.raw.hangUp();
    return { options, version, clientName };
  }

  async function readAll(disk: NbdDisk): Promise<void> {
    const target = Buffer.alloc(MIB);
    await disk.read(0, target);
    assert.equal(target.compare(bytes), 0);
    await disk.close();
  }

  test('shows its key, sees that of the server, and says everything else under TLS 1.3', async (t) => {
    const serving = Promise.withResolvers<Seen>();
    const shown: string[] = [];
    const tls = clientTls((socket) => {
      shown.push(socket.getPeerCertificate().subject.CN as string);
      return undefined;
    });
    const disk = await connectTo(t, (socket) => serving.resolve(serve(socket)), { tls });
    await readAll(disk);
    const { options, version, clientName } = await serving.promise;
    assert.deepEqual(shown, ['server of the tests']);
    assert.equal(clientName, 'client of the tests');
    assert.equal(version, 'TLSv1.3');
    assert.equal(options[0], OPTION.EXTENDED_HEADERS);
    assert.equal(options.at(-1), OPTION.GO);
  });

  test('does so over any stream', async () => {
    const [clientSide, serverSide] = duplexPair();
    serverSide.on('close', () => clientSide.destroy());
    const serving = serve(serverSide);
    const disk = await connectNbdOver(
      clientSide,
      { exportName: 'sda', peer: 'the test' },
      { tls: clientTls() },
    );
    await readAll(disk);
    assert.equal((await serving).version, 'TLSv1.3');
  });

  test('lists exports under TLS', async (t) => {
    const served: ScriptedServer[] = [];
    const port = await listen(t, (socket) => {
      const server = new ScriptedServer(socket, script);
      served.push(server);
      void server.handshake().catch(() => {});
    });
    assert.deepEqual(await listExports({ host: '127.0.0.1', port }, { tls: clientTls() }), []);
    assert.ok(served[0]?.secured !== undefined);
    assert.deepEqual(served[0].options, [OPTION.LIST, OPTION.ABORT]);
  });

  test('asks by name for the certificate of a host that has one', async (t) => {
    const asked = Promise.withResolvers<unknown>();
    const port = await listen(t, async (socket) => {
      const raw = await untilStartTls(socket);
      raw.send(TLS_AGREED);
      new TLSSocket(socket, {
        isServer: true,
        SNICallback: (name, done) => {
          asked.resolve(name);
          done(new Error('enough'));
        },
      }).on('error', () => {});
    });
    const address = { transport: 'tcp', host: 'localhost', port, exportName: 'sda' } as const;
    await assert.rejects(connectNbd(address, { tls: clientTls() }), NbdError);
    assert.equal(await asked.promise, 'localhost');
  });

  const wrong = new Error('the key is not the one that was pinned');
  for (const [what, verify] of [
    ['is wrong', () => wrong],
    [
      'cannot be checked',
      () => {
        throw wrong;
      },
    ],
  ] as const) {
    test(`tells nothing to a server whose key ${what}`, async (t) => {
      const heard = Promise.withResolvers<Buffer>();
      const connecting = connectTo(
        t,
        async (socket) => {
          const raw = await untilStartTls(socket);
          raw.send(TLS_AGREED);
          const secured = new TLSSocket(socket, { isServer: true, secureContext: serverSecureContext() });
          heard.resolve(new RawClient(secured).receiveToEnd());
        },
        { tls: clientTls(verify) },
      );
      await assert.rejects(connecting, isNbdError('NBD_UNTRUSTED', /not the one that was pinned/));
      assert.equal((await heard.promise).length, 0);
    });
  }

  for (const [what, handshakeFlags] of [
    ['that does not know it', FIXED_NEWSTYLE],
    ['without fixed newstyle', 0],
  ] as const) {
    test(`goes no further with a server ${what}`, async (t) => {
      const served: ScriptedServer[] = [];
      const connecting = connectTo(t, (socket) => {
        const server = new ScriptedServer(socket, { handshakeFlags });
        served.push(server);
        void server.handshake().catch(() => {});
      });
      await assert.rejects(
        connecting,
        isNbdError('NBD_REFUSED', /refuses an encrypted connection.*knows no encryption/),
      );
      const asked = served[0]?.options.filter((option) => option !== OPTION.ABORT);
      assert.deepEqual(asked, handshakeFlags === 0 ? [] : [OPTION.STARTTLS]);
    });
  }

  test('takes no words from before TLS for words of the server', async (t) => {
    // Somebody in between adds an answer in plain text, in the same packet.
    const injected = encodeOptionReply(OPTION.EXTENDED_HEADERS, OPTION_REPLY.ERR_UNSUP);
    for (const more of [injected, injected.subarray(0, 7)]) {
      const connecting = connectTo(t, async (socket) => {
        const raw = await untilStartTls(socket);
        raw.send(TLS_AGREED, more);
        new TLSSocket(socket, { isServer: true, secureContext: serverSecureContext() }).on('error', () => {});
      });
      await assert.rejects(connecting, isNbdError('NBD_PROTOCOL', /plain text after it agreed to TLS/));
    }
  });

  test('gives up on a server that goes on in plain text', async (t) => {
    const connecting = connectTo(t, async (socket) => {
      const raw = await untilStartTls(socket);
      raw.send(TLS_AGREED);
      await raw.receive(1);
      raw.send(encodeOptionReply(OPTION.EXTENDED_HEADERS, OPTION_REPLY.ACK));
    });
    await assert.rejects(connecting, isNbdError('NBD_PROTOCOL', /does not speak TLS as it should/));
  });

  test('explains that the server does not take its key', async (t) => {
    const secureContext = createSecureContext({ minVersion: 'TLSv1.3' });
    const connecting = connectTo(t, async (socket) => {
      const raw = await untilStartTls(socket);
      raw.send(TLS_AGREED);
      // A server without a certificate answers with an alert.
      new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {});
    });
    await assert.rejects(connecting, isNbdError('NBD_REFUSED', /refuses the TLS connection .*alert/));
  });

  test('sees a connection reset in the TLS handshake', async (t) => {
    const connecting = connectTo(t, async (socket) => {
      const raw = await untilStartTls(socket);
      raw.send(TLS_AGREED);
      await raw.receive(5);
      socket.resetAndDestroy();
    });
    await assert.rejects(connecting, isNbdError('NBD_LOST', /lost in the TLS handshake/));
  });

  test('does not wait for ever for a TLS handshake', async (t) => {
    const connecting = connectTo(
      t,
      async (socket) => {
        (await untilStartTls(socket)).send(TLS_AGREED);
      },
      { connectTimeoutMs: 100 },
    );
    await assert.rejects(connecting, isNbdError('NBD_UNREACHABLE', /within 0.1 s/));
  });

  test('gives the TLS handshake up with the signal', async (t) => {
    const controller = new AbortController();
    const connecting = connectTo(
      t,
      async (socket) => {
        const raw = await untilStartTls(socket);
        raw.send(TLS_AGREED);
        await raw.receive(5);
        controller.abort(new Error('enough'));
      },
      { signal: controller.signal },
    );
    await assert.rejects(connecting, /enough/);
  });

  test('counts a connection that is cut under TLS as lost', async (t) => {
    const disk = await connectTo(t, async (socket) => {
      const server = new ScriptedServer(socket, script);
      await server.handshake();
      const { cookie } = await server.request();
      server.send(encodeDataChunk(cookie, 0, Buffer.alloc(512)).subarray(0, 100));
      socket.resetAndDestroy();
    });
    await assert.rejects(disk.read(0, Buffer.alloc(512)), isNbdError('NBD_LOST', /was lost/));
    await disk.close();
  });
});
