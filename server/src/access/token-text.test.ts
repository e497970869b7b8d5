import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { coverTokens, makeTokenText, matchesDigest, publicKeyOf } from './token-text.ts';

test('a token has a prefix, a public part and 32 random bytes', () => {
  const { text, publicKey, sha256 } = makeTokenText();
  assert.match(text, /^dft_[0-9a-f]{12}_[0-9a-f]{64}$/);
  assert.equal(publicKeyOf(text), publicKey);
  assert.equal(sha256, createHash('sha256').update(text).digest('hex'));
  assert.notEqual(makeTokenText().text, text);
});

test('only the very text matches', () => {
  const { text, sha256 } = makeTokenText();
  assert.ok(matchesDigest(text, sha256));
  assert.ok(!matchesDigest(makeTokenText().text, sha256));
  assert.ok(!matchesDigest(text.toUpperCase(), sha256));
});

test('what is no token has no public part', () => {
  const { text } = makeTokenText();
  for (const wrong of [
    '',
    'dft_',
    text.slice(0, -1),
    `${text}0`,
    ` ${text}`,
    `${text}\n`,
    text.toUpperCase(),
  ]) {
    assert.equal(publicKeyOf(wrong), undefined, wrong);
  }
});

test('tokens are covered wherever they stand', () => {
  const { text, publicKey } = makeTokenText();
  assert.equal(coverTokens(`a ${text}, b${text}`), `a dft_${publicKey}_***, bdft_${publicKey}_***`);
  assert.equal(coverTokens(text.slice(0, 30)), `dft_${publicKey}_***`);
});
