import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { broadcastAddresses, magicPacket, wake } from './wake-on-lan.ts';

test('the packet is six bytes of ones and sixteen times the address', () => {
  const packet = magicPacket('52:54:00:AB:cd:01');
  assert.equal(packet.length, 102);
  assert.equal(packet.toString('hex'), 'f'.repeat(12) + '525400abcd01'.repeat(16));
  for (const wrong of ['', '52:54:00:ab:cd', '525400abcd01', '52:54:00:ab:cd:0g', '52:54:00:ab:cd:01:02']) {
    assert.throws(() => magicPacket(wrong), { code: 'USAGE', message: /no MAC address/ });
  }
});

test('the packet is sent into every network of the server, and not to itself', () => {
  const entry = { family: 'IPv4', internal: false, mac: '', cidr: null } as const;
  const interfaces = {
    lo: [{ ...entry, internal: true, address: '127.0.0.1', netmask: '255.0.0.0' }],
    eth0: [
      { ...entry, address: '192.0.2.17', netmask: '255.255.255.240' },
      { ...entry, family: 'IPv6', address: '2001:db8::1', netmask: 'ffff::', scopeid: 0 } as const,
    ],
    eth1: [{ ...entry, address: '10.1.2.3', netmask: '255.255.0.0' }],
  };
  assert.deepEqual(broadcastAddresses(interfaces), ['192.0.2.31', '10.1.255.255']);
});

test('what is sent arrives', async (t) => {
  const listener = createSocket('udp4');
  t.after(() => listener.close());
  listener.bind(0, '127.0.0.1');
  await once(listener, 'listening');
  const heard = once(listener, 'message', { signal: AbortSignal.timeout(20_000) });
  await wake('52:54:00:ab:cd:01', { addresses: ['127.0.0.1'], port: listener.address().port });
  const [message] = (await heard) as [Buffer];
  assert.deepEqual(message, magicPacket('52:54:00:ab:cd:01'));
});
