import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createAuthority, isClientCertificateOf, issueCertificate } from './authority.ts';
import { createIdentity } from './identity.ts';

const [authority, namesake] = await Promise.all([createAuthority('lab'), createAuthority('lab')]);
const issued = await issueCertificate(authority, { commonName: 'a client' });
const parse = ({ certificate }: { certificate: string }) => new X509Certificate(certificate);

test('what an authority issued is told from what others signed', async () => {
  const ofItself = await createIdentity('a client');
  const ofNamesake = await issueCertificate(namesake, { commonName: 'a client' });
  assert.equal(isClientCertificateOf(parse(authority), parse(issued)), true);
  assert.equal(isClientCertificateOf(parse(authority), parse(ofItself)), false);
  assert.equal(isClientCertificateOf(parse(authority), parse(ofNamesake)), false);
});

test('who is no authority vouches for nobody', async () => {
  const forged = await issueCertificate({ ...issued, commonName: 'a client' }, { commonName: 'forged' });
  assert.equal(isClientCertificateOf(parse(issued), parse(forged)), false);
  assert.equal(isClientCertificateOf(parse(issued), parse(issued)), false);
});

test('a certificate that is not valid now is refused', (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: new Date('1969-12-31') });
  assert.equal(isClientCertificateOf(parse(authority), parse(issued)), false);
  context.mock.timers.setTime(new Date('2026-01-01').getTime());
  assert.equal(isClientCertificateOf(parse(authority), parse(issued)), true);
});
