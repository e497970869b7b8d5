import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceDateEpoch } from './epoch.ts';

test('SOURCE_DATE_EPOCH is taken when it is set', () => {
  assert.equal(sourceDateEpoch('1700000000'), 1_700_000_000);
});

test('without SOURCE_DATE_EPOCH every build has the same time', () => {
  assert.equal(sourceDateEpoch(''), sourceDateEpoch(''));
});

test('what is no time that FAT and cpio can hold is refused', () => {
  for (const bad of ['now', '-1', '1.5', '0', '315532799', '4294967296']) {
    assert.throws(() => sourceDateEpoch(bad), /SOURCE_DATE_EPOCH/, bad);
  }
});
