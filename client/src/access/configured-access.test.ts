import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createAuthority, issueCertificate } from '@diskferry/trust/authority';
import { accessStatus } from './access-status.ts';
import { configuredAccess } from './configured-access.ts';

const scratch = mkdtempSync(join(tmpdir(), 'diskferry-access-'));
after(() => rmSync(scratch, { recursive: true }));

const OPTIONS = {
  insecure: false,
  writable: false,
  stateFolder: join(scratch, 'state'),
  certificatesFolder: undefined,
};

test('without options there is TLS with a key that is the same after a restart, and a new code', async () => {
  const [first, second] = [await configuredAccess(OPTIONS), await configuredAccess(OPTIONS)];
  assert.ok(first.tls);
  assert.equal(first.pairing?.fingerprint, second.pairing?.fingerprint);
  assert.notEqual(first.pairing?.desk.code, second.pairing?.desk.code);
  assert.equal(first.writable, false);
});

test('with --insecure there is plain text and no code', async () => {
  const access = await configuredAccess({ ...OPTIONS, insecure: true });
  assert.equal(access.tls, undefined);
  assert.deepEqual(accessStatus(access), { kind: 'insecure', writable: false });
});

test('a state folder that cannot be used is refused with advice', async () => {
  const stateFolder = join(scratch, 'file');
  writeFileSync(stateFolder, '');
  await assert.rejects(configuredAccess({ ...OPTIONS, stateFolder }), {
    code: 'ACCESS_UNUSABLE',
    message: /cannot be kept in .*file: .*; give another folder with --state/,
  });
});

test('a folder of certificates is used, and one that is incomplete or damaged is refused with advice', async () => {
  const certificatesFolder = join(scratch, 'certificates');
  mkdirSync(certificatesFolder);
  const put = (name: string, text: string): void => writeFileSync(join(certificatesFolder, name), text);
  const refused = {
    code: 'ACCESS_UNUSABLE',
    message: /ca-cert\.pem, server-cert\.pem and server-key\.pem must be there/,
  };
  await assert.rejects(configuredAccess({ ...OPTIONS, certificatesFolder }), refused);
  const authority = await createAuthority('lab');
  const issued = await issueCertificate(authority, { commonName: 'client', hosts: ['127.0.0.1'] });
  put('ca-cert.pem', authority.certificate);
  put('server-cert.pem', issued.certificate);
  put('server-key.pem', issued.key);
  const access = await configuredAccess({ ...OPTIONS, certificatesFolder });
  assert.equal(access.pairing?.fingerprint, issued.fingerprint);
  assert.equal(access.pairing?.authority, 'CN=lab');
  const status = accessStatus(access);
  assert.equal(status.kind === 'keyed' && status.authority, 'CN=lab');
  put('server-key.pem', authority.key);
  await assert.rejects(configuredAccess({ ...OPTIONS, certificatesFolder }), refused);
  put('server-key.pem', 'no key');
  await assert.rejects(configuredAccess({ ...OPTIONS, certificatesFolder }), refused);
});
