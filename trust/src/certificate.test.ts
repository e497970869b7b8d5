import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createAuthority, issueCertificate } from './authority.ts';
import { certify, createKey } from './certificate.ts';
import * as der from './der.ts';
import { createIdentity } from './identity.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('values are written as ITU-T X.690 has them', () => {
  assert.equal(hex(der.sequence()), '3000');
  assert.equal(hex(der.unsigned(Uint8Array.of(0))), '020100');
  assert.equal(hex(der.unsigned(Uint8Array.of(0x7f))), '02017f');
  assert.equal(hex(der.unsigned(Uint8Array.of(0x80))), '02020080');
  assert.equal(hex(der.unsigned(Uint8Array.of(0, 0, 1, 0))), '02020100');
  assert.equal(hex(der.booleanTrue()), '0101ff');
  assert.equal(hex(der.bitString(Uint8Array.of(0x04), 2)), '03020204');
  assert.equal(hex(der.objectIdentifier('2.5.4.3')), '0603550403');
  assert.equal(hex(der.objectIdentifier('1.2.840.10045.4.3.2')), '06082a8648ce3d040302');
  assert.equal(hex(der.context(2, Buffer.from('ab'))), '82026162');
  assert.equal(hex(der.octetString(new Uint8Array(127)).subarray(0, 2)), '047f');
  assert.equal(hex(der.octetString(new Uint8Array(128)).subarray(0, 3)), '048180');
  assert.equal(hex(der.octetString(new Uint8Array(65_536)).subarray(0, 5)), '0483010000');
});

test('names and addresses stand in a certificate as they were given', async () => {
  const hosts = [
    'images.example',
    'bücher.example',
    '192.0.2.7',
    '::1',
    '2001:db8::',
    '2001:db8:1:2:3:4:5:6',
    '::ffff:192.0.2.7',
    'fe80::1%eth0',
  ];
  const { certificate } = await issueCertificate(await createAuthority('lab'), { commonName: 'ä b', hosts });
  const parsed = new X509Certificate(certificate);
  assert.equal(parsed.subject, 'CN=ä b');
  assert.equal(parsed.issuer, 'CN=lab');
  assert.deepEqual(parsed.subjectAltName?.split(', '), [
    'DNS:images.example',
    'DNS:xn--bcher-kva.example',
    'IP Address:192.0.2.7',
    'IP Address:0:0:0:0:0:0:0:1',
    'IP Address:2001:DB8:0:0:0:0:0:0',
    'IP Address:2001:DB8:1:2:3:4:5:6',
    'IP Address:0:0:0:0:0:FFFF:C000:207',
    'IP Address:FE80:0:0:0:0:0:0:1',
  ]);
});

test('each certificate has a serial number of its own', () => {
  const key = createKey();
  const request = { commonName: 'a', key, issuer: { commonName: 'a', key } };
  const serials = Array.from({ length: 20 }, () => new X509Certificate(certify(request)).serialNumber);
  assert.equal(new Set(serials).size, serials.length);
});

test('openssl verifies a chain by its strictest rules', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-openssl-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const authority = await createAuthority('lab');
  const issued = await issueCertificate(authority, { commonName: 'a', hosts: ['images.example'] });
  const paths = [authority, issued, await createIdentity('b')].map(({ certificate }, index) => {
    const path = join(folder, `${index}.pem`);
    writeFileSync(path, certificate);
    return path;
  });
  const [ca = '', good = '', bad = ''] = paths;
  const verify = (path: string) =>
    promisify(execFile)('openssl', ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', ca, path]);
  try {
    const { stdout } = await verify(good);
    assert.match(stdout, /OK/);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    context.skip('openssl is not installed');
    return;
  }
  await assert.rejects(verify(bad), /verification failed/);
});
