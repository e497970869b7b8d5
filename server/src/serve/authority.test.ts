import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { issueCertificate } from '@diskferry/trust/authority';
import { loadOrCreateAuthority } from './authority.ts';

const scratch = mkdtempSync(join(tmpdir(), 'diskferry-authority-'));
after(() => rmSync(scratch, { recursive: true }));

test('the authority is made once, also by two that start at the same time', async () => {
  const folder = join(scratch, 'new/authority');
  const [first, second] = await Promise.all([loadOrCreateAuthority(folder), loadOrCreateAuthority(folder)]);
  const later = await loadOrCreateAuthority(folder);
  assert.deepEqual(first, later);
  assert.deepEqual(second, later);
  assert.equal(statSync(join(folder, 'key.pem')).mode & 0o777, 0o600);
});

test('what it issues after a restart is vouched for by the certificate from before', async () => {
  const folder = join(scratch, 'restart');
  const { certificate } = await loadOrCreateAuthority(folder);
  const restarted = await loadOrCreateAuthority(folder);
  const issued = await issueCertificate(restarted, { commonName: 'server', hosts: ['lab', '10.0.0.1'] });
  const server = new X509Certificate(issued.certificate);
  const authority = new X509Certificate(certificate);
  assert.ok(server.checkIssued(authority));
  assert.ok(server.verify(authority.publicKey));
  assert.equal(server.checkHost('lab'), 'lab');
  assert.equal(server.checkIP('10.0.0.1'), '10.0.0.1');
});

test('a damaged authority is not replaced in silence', async () => {
  const folder = join(scratch, 'damaged');
  await loadOrCreateAuthority(folder);
  writeFileSync(join(folder, 'certificate.pem'), 'rubbish');
  await assert.rejects(loadOrCreateAuthority(folder), { code: 'AUTHORITY_DAMAGED', message: /damaged/ });
});
