import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, type ConnectionOptions, TLSSocket, type TLSSocketOptions } from 'node:tls';
import { createAuthority, issueCertificate } from './authority.ts';
import { tlsOf } from './connection-security.ts';
import { createIdentity, loadOrCreateIdentity } from './identity.ts';
import { clientTls, peerFingerprint, secureContextFor } from './secure-context.ts';

const [computer, server, stranger] = await Promise.all(
  ['computer', 'server', 'stranger'].map(createIdentity),
);
assert.ok(computer && server && stranger);

/** Far more than a handshake needs; one that takes so long has failed. */
const BOUND_MS = 60_000;

interface Handshake {
  /** The socket of the side that connected. */
  readonly connected: TLSSocket;
  readonly accepted: TLSSocket;
}

/** A handshake over the loopback address; both sockets end with the test. */
async function handshake(
  context: TestContext,
  listening: TLSSocketOptions,
  connecting: ConnectionOptions,
): Promise<Handshake> {
  const listener = createServer().listen(0, '127.0.0.1');
  context.after(() => listener.close());
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const signal = AbortSignal.timeout(BOUND_MS);
  const accepted = once(listener, 'connection', { signal });
  const connected = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...connecting });
  const handshaken = once(connected, 'secureConnect', { signal });
  connected.on('error', () => {});
  context.after(() => connected.destroy());
  const [plain] = (await accepted) as [Socket];
  const socket = new TLSSocket(plain, {
    isServer: true,
    requestCert: true,
    rejectUnauthorized: false,
    ...listening,
  });
  socket.on('error', () => {});
  const secured = once(socket, 'secure', { signal });
  secured.catch(() => {});
  await handshaken;
  await secured;
  return { connected, accepted: socket };
}

test('both sides see the fingerprint that the other has', async (context) => {
  const tls = clientTls(server, computer.fingerprint);
  const { connected, accepted } = await handshake(
    context,
    { secureContext: secureContextFor(computer) },
    { secureContext: tls.secureContext },
  );
  assert.equal(connected.getProtocol(), 'TLSv1.3');
  assert.equal(tls.verify(connected), undefined);
  assert.equal(peerFingerprint(accepted), server.fingerprint);
});

test('another key than the pinned one is refused with both fingerprints and what to do', async (context) => {
  const tls = clientTls(server, computer.fingerprint);
  const { connected } = await handshake(
    context,
    { secureContext: secureContextFor(stranger) },
    { secureContext: tls.secureContext },
  );
  const error = tls.verify(connected) as Error & { code: string };
  assert.equal(error.code, 'PEER_CHANGED');
  for (const words of [stranger.fingerprint, computer.fingerprint, /pair again with --pair CODE/]) {
    assert.match(error.message, new RegExp(words));
  }
});

test('whom to take can be left to a function', async (context) => {
  const seen: string[] = [];
  const refusal = new Error('no');
  const tls = clientTls(server, (fingerprint) => {
    seen.push(fingerprint);
    return refusal;
  });
  const { connected } = await handshake(
    context,
    { secureContext: secureContextFor(computer) },
    { secureContext: tls.secureContext },
  );
  assert.equal(tls.verify(connected), refusal);
  assert.deepEqual(seen, [computer.fingerprint]);
});

test('who shows no certificate has no fingerprint', async (context) => {
  const { accepted } = await handshake(context, { secureContext: secureContextFor(computer) }, {});
  assert.equal(peerFingerprint(accepted), undefined);
});

test('TLS 1.2 is refused', async (context) => {
  await assert.rejects(
    handshake(context, { secureContext: secureContextFor(computer) }, { maxVersion: 'TLSv1.2' }),
    { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' },
  );
});

test('a certificate of an authority holds for its names and addresses, and for no others', async (context) => {
  const authority = await createAuthority('test authority');
  const issued = await issueCertificate(authority, {
    commonName: 'imaging server',
    hosts: ['images.example', '127.0.0.1', '2001:db8::1'],
  });
  const listening = { secureContext: secureContextFor(issued) };
  const strict = { ca: authority.certificate, rejectUnauthorized: true };
  const { connected } = await handshake(context, listening, strict);
  assert.equal(connected.authorized, true);
  assert.equal(connected.getPeerX509Certificate()?.checkIP('2001:db8::1'), '2001:db8::1');
  await handshake(context, listening, { ...strict, servername: 'images.example' });
  await assert.rejects(handshake(context, listening, { ...strict, servername: 'other.example' }), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
});

test('a certificate of another authority is refused', async (context) => {
  const [ours, other] = await Promise.all([createAuthority('authority'), createAuthority('authority')]);
  const issued = await issueCertificate(other, { commonName: 'imaging server', hosts: ['127.0.0.1'] });
  await assert.rejects(
    handshake(
      context,
      { secureContext: secureContextFor(issued) },
      { ca: ours.certificate, rejectUnauthorized: true },
    ),
    /unable to verify|certificate signature failure|self-signed/,
  );
});

test('who has a certificate of an authority cannot pass on its trust', async (context) => {
  const authority = await createAuthority('authority');
  const issued = await issueCertificate(authority, { commonName: 'imaging server', hosts: ['127.0.0.1'] });
  const forged = await issueCertificate(
    { ...issued, commonName: 'imaging server' },
    { commonName: 'forged', hosts: ['127.0.0.1'] },
  );
  const chain = { ...forged, certificate: forged.certificate + issued.certificate };
  await assert.rejects(
    handshake(
      context,
      { secureContext: secureContextFor(chain) },
      { ca: authority.certificate, rejectUnauthorized: true },
    ),
    /key usage does not include certificate signing/,
  );
});

test('the security of a connection in plain data becomes TLS with the kept identity', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-trust-'));
  context.after(() => rmSync(folder, { recursive: true }));
  assert.equal(await tlsOf({ kind: 'insecure' }), undefined);
  const tls = await tlsOf({
    kind: 'pinned',
    identityFolder: folder,
    fingerprint: computer.fingerprint,
  });
  assert.ok(tls);
  const { connected, accepted } = await handshake(
    context,
    { secureContext: secureContextFor(computer) },
    { secureContext: tls.secureContext },
  );
  assert.equal(tls.verify(connected), undefined);
  assert.equal(peerFingerprint(accepted), (await loadOrCreateIdentity(folder, 'x')).fingerprint);
});
