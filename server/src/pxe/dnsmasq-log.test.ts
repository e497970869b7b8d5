import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readNews } from './dnsmasq-log.ts';

test('the log tells the start, who got no answer, and what was loaded', () => {
  const news = [
    'dnsmasq[26550]: started, version 2.90 DNS disabled',
    'dnsmasq-dhcp[28785]: 2387891792 PXE(eth0) 52:54:00:00:00:09 proxy-ignored',
    'dnsmasq-dhcp[28785]: 2387891792 PXE(eth0) 52:54:00:00:00:09 proxy',
    'dnsmasq-tftp[1870]: sent /run/diskferry-pxe-1/snponly.efi to 10.77.0.104',
    'dnsmasq-tftp[1870]: error 8 User aborted the transfer received from 10.77.0.104',
  ].map(readNews);
  assert.deepEqual(news, [
    { kind: 'started' },
    { kind: 'unanswered', mac: '52:54:00:00:00:09' },
    undefined,
    { kind: 'loader', address: '10.77.0.104', file: 'snponly.efi' },
    undefined,
  ]);
});
