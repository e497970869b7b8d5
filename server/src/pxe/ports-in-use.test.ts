import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseListeners } from './ports-in-use.ts';

test('who listens is read from what ss prints', () => {
  const text = `UNCONN 0 0        0.0.0.0%virbr0:67   0.0.0.0:* users:(("dnsmasq",pid=26550,fd=4))
UNCONN 0      0                          10.77.0.3:69        0.0.0.0:*
UNCONN 0      0      [fe80::7c79:74ff:fe92:ff44]%eth0:69           [::]:* users:(("in.tftpd",pid=7,fd=8))
UNCONN 0 0 *:4011 *:* users:(("other",pid=9,fd=1))
`;
  assert.deepEqual(parseListeners(text), [
    { address: '0.0.0.0', device: 'virbr0', port: 67, owner: 'dnsmasq (process 26550)' },
    { address: '10.77.0.3', device: undefined, port: 69, owner: 'a program of somebody else' },
    { address: '[fe80::7c79:74ff:fe92:ff44]', device: 'eth0', port: 69, owner: 'in.tftpd (process 7)' },
    { address: '*', device: undefined, port: 4011, owner: 'other (process 9)' },
  ]);
});
