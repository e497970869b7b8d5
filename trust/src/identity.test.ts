import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fingerprintOf, isFingerprint } from './fingerprint.ts';
import { createIdentity, loadOrCreateIdentity } from './identity.ts';

const scratch = mkdtempSync(join(tmpdir(), 'diskferry-trust-'));
after(() => rmSync(scratch, { recursive: true }));
let folders = 0;
const newFolder = (): string => join(scratch, String(folders++), 'state');

test('each identity has a key and a fingerprint of its own', async () => {
  const [a, b] = await Promise.all([createIdentity('a'), createIdentity('a')]);
  assert.notEqual(a.fingerprint, b.fingerprint);
  assert.ok(isFingerprint(a.fingerprint));
  const certificate = new X509Certificate(a.certificate);
  assert.equal(certificate.subject, 'CN=a');
  assert.ok(certificate.verify(certificate.publicKey), 'it signed itself');
  assert.equal(certificate.ca, false);
});

test('a certificate is good whatever the clock of a computer says', async () => {
  const { validFromDate, validToDate } = new X509Certificate((await createIdentity('a')).certificate);
  assert.ok(validFromDate.getTime() <= 0);
  assert.equal(validToDate.getUTCFullYear(), 9999);
});

test('the fingerprint is that of the key, in every form of the certificate', async () => {
  // Made by: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=x
  // The digest by: openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | sha256sum
  const pem = readFileSync(join(import.meta.dirname, 'test-data/openssl-certificate.pem'), 'utf8');
  const expected = readFileSync(
    join(import.meta.dirname, 'test-data/openssl-fingerprint.txt'),
    'utf8',
  ).trim();
  const parsed = new X509Certificate(pem);
  for (const form of [pem, parsed, parsed.raw]) assert.equal(fingerprintOf(form), expected);
});

test('a kept identity is the same at every start, and only its owner may read the key', async () => {
  const folder = newFolder();
  const first = await loadOrCreateIdentity(folder, 'a');
  assert.deepEqual(await loadOrCreateIdentity(folder, 'a'), first);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, 'key.pem')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder).toSorted(), ['certificate.pem', 'key.pem'], 'nothing else is left');
});

test('programs that start at the same time get the same key', async () => {
  const folder = newFolder();
  const identities = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateIdentity(folder, 'a')));
  assert.equal(new Set(identities.map(({ fingerprint }) => fingerprint)).size, 1);
  assert.equal(new Set(identities.map(({ key }) => key)).size, 1);
});

test('a certificate that is missing, damaged or of another key is made anew for the same key', async () => {
  const folder = newFolder();
  const { fingerprint } = await loadOrCreateIdentity(folder, 'a');
  const other = await createIdentity('other');
  for (const damage of ['', 'x', other.certificate]) {
    writeFileSync(join(folder, 'certificate.pem'), damage);
    const again = await loadOrCreateIdentity(folder, 'a');
    assert.equal(again.fingerprint, fingerprint);
    assert.equal(fingerprintOf(again.certificate), fingerprint);
  }
  rmSync(join(folder, 'certificate.pem'));
  assert.equal((await loadOrCreateIdentity(folder, 'a')).fingerprint, fingerprint);
});

test('a damaged key is refused by its path, not replaced', async () => {
  const folder = newFolder();
  await loadOrCreateIdentity(folder, 'a');
  const path = join(folder, 'key.pem');
  writeFileSync(path, 'no key');
  await assert.rejects(loadOrCreateIdentity(folder, 'a'), {
    code: 'IDENTITY_DAMAGED',
    message: `${path} holds no key; remove it to get a new one`,
  });
  assert.equal(readFileSync(path, 'utf8'), 'no key');
});

test('a key that cannot be read is refused by its path', async () => {
  const folder = newFolder();
  // A folder in its place, because root may read every file.
  mkdirSync(join(folder, 'key.pem'), { recursive: true });
  await assert.rejects(loadOrCreateIdentity(folder, 'a'), {
    code: 'IDENTITY_DAMAGED',
    message: /key\.pem cannot be read: EISDIR/,
  });
});
