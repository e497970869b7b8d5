import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { makeTokenText } from './token-text.ts';
import { withoutSecrets } from './without-secrets.ts';

test('what is in a field for secrets is covered, whatever it is', () => {
  const fields = ['password', 'newPassword', 'secret', 'clientSecret', 'token', 'privateKey', 'apiKey'];
  for (const field of [...fields, 'Authorization', 'SECRET', 'enrolmentKey', 'text', 'set-cookie']) {
    assert.deepEqual(withoutSecrets({ [field]: 'x', other: 1 }), { [field]: '***', other: 1 }, field);
    assert.deepEqual(withoutSecrets({ [field]: { value: 'x' } }), { [field]: '***' }, field);
  }
  const harmless = { tokenId: 't1', tokenName: 'laptop', name: 'web', key: null, notes: undefined };
  assert.deepEqual(withoutSecrets(harmless), harmless);
});

test('tokens, enrolment secrets and passwords in addresses are covered wherever they stand', () => {
  const { text, publicKey } = makeTokenText();
  const enrolment = `lab-1.${randomBytes(32).toString('base64url')}`;
  const found = withoutSecrets({
    notes: [`my token is ${text}`, { url: 'postgresql://me:pass@host/db' }],
    name: `enrolled by ${enrolment}, see`,
    [text]: 1,
  });
  assert.deepEqual(found, {
    notes: [`my token is dft_${publicKey}_***`, { url: 'postgresql://me:***@host/db' }],
    name: 'enrolled by lab-1.***, see',
    [`dft_${publicKey}_***`]: 1,
  });
});

test('what is large is cut, and what no database takes is replaced', () => {
  const found = withoutSecrets({
    long: 'x'.repeat(5000),
    list: Array.from({ length: 500 }, (_, index) => index),
    deep: { a: { b: { c: { d: 1 } } } },
    odd: 'a\0b\ud800',
    size: 2n ** 60n,
  }) as Record<string, unknown>;
  assert.equal((found['long'] as string).length, 1001);
  assert.equal((found['list'] as unknown[]).length, 51);
  assert.deepEqual(found['deep'], { a: { b: { c: '…' } } });
  assert.equal(found['odd'], 'a\u{fffd}b\u{fffd}');
  assert.equal(found['size'], '1152921504606846976');
});
