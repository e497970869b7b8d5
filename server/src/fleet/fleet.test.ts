import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkOf } from './fleet.ts';

test('computers of one network have one link', () => {
  assert.equal(linkOf('192.0.2.7'), '192.0.2.0/24');
  assert.equal(linkOf('192.0.2.7'), linkOf('192.0.2.250'));
  assert.notEqual(linkOf('192.0.2.7'), linkOf('192.0.3.7'));
  assert.equal(linkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(linkOf('2001:db8::1'), '2001:db8::/64');
  assert.equal(linkOf(undefined), undefined);
  assert.equal(linkOf('unknown'), undefined);
});
