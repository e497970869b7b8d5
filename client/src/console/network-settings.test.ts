import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  formatNetworkSettings,
  readAddress,
  readGateway,
  readNameServers,
  readVlan,
  writeNetworkSettings,
} from './network-settings.ts';

const NETWORK = { address: '192.168.7.5', prefix: 24 };

function refused(read: () => unknown, message: RegExp): void {
  assert.throws(read, { code: 'ANSWER', message });
}

test('an address is taken with the length of its network, or with its mask', () => {
  assert.deepEqual(readAddress('192.168.7.5/24'), NETWORK);
  assert.deepEqual(readAddress('192.168.7.5/255.255.255.0'), NETWORK);
  assert.deepEqual(readAddress('10.0.0.1/8'), { address: '10.0.0.1', prefix: 8 });
  assert.deepEqual(readAddress('10.0.0.1/30'), { address: '10.0.0.1', prefix: 30 });
});

test('what is no address of a computer is refused with its reason', () => {
  for (const [text, message] of [
    ['', /"" is not an address such as/],
    ['192.168.7/24', /"192.168.7" is not an address/],
    ['192.168.7.500/24', /is not an address/],
    ['192.168.7.5', /the length of the network is missing/],
    ['192.168.7.5/24/1', /is missing/],
    ['192.168.7.5/33', /"\/33" is no length/],
    ['192.168.7.5/32', /is no length/],
    ['192.168.7.5/0', /is no length/],
    ['192.168.7.5/x', /is no length/],
    ['192.168.7.5/255.0.255.0', /is no length/],
    ['192.168.7.0/24', /is the network itself/],
    ['192.168.7.255/24', /broadcast address/],
    ['127.0.0.1/8', /is no address of a computer/],
    ['224.0.0.5/8', /is no address of a computer/],
    ['0.1.2.3/8', /is no address of a computer/],
    ['2001:db8::1/64', /is an IPv6 address/],
    ['10.0.0.5;reboot/24', /is not an address/],
  ] as const) {
    refused(() => readAddress(text), message);
  }
});

test('a gateway is one of the network, or none', () => {
  assert.equal(readGateway('192.168.7.1', NETWORK), '192.168.7.1');
  assert.equal(readGateway('', NETWORK), undefined);
  assert.equal(readGateway('-', NETWORK), undefined);
  refused(() => readGateway('192.168.8.1', NETWORK), /outside of 192\.168\.7\.5\/24/);
  refused(() => readGateway('192.168.7.5', NETWORK), /this computer itself/);
  refused(() => readGateway('192.168.7.255', NETWORK), /broadcast/);
  refused(() => readGateway('router', NETWORK), /is not an address/);
});

test('name servers are up to three addresses', () => {
  assert.deepEqual(readNameServers('10.0.0.1, 10.0.0.2 10.0.0.3'), ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  assert.deepEqual(readNameServers('-'), []);
  refused(() => readNameServers('10.0.0.1,x'), /"x" is not an address/);
  refused(() => readNameServers('1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4'), /4 are too many/);
});

test('a VLAN is a number from 1 to 4094, or none', () => {
  assert.equal(readVlan('1'), 1);
  assert.equal(readVlan('4094'), 4094);
  assert.equal(readVlan('-'), undefined);
  for (const text of ['0', '4095', '-1', '1.5', 'x', '12345']) refused(() => readVlan(text), /1 to 4094/);
});

test('whatever somebody types is taken or refused, and what is taken is five plain words for the scripts', () => {
  const byte = fc.nat(255);
  const address = fc.tuple(byte, byte, byte, byte).map((bytes) => bytes.join('.'));
  const typed = fc.oneof(
    fc.string(),
    address,
    fc.tuple(address, fc.nat(40)).map(([ip, n]) => `${ip}/${n}`),
  );
  fc.assert(
    fc.property(typed, typed, typed, typed, (a, g, n, v) => {
      try {
        const network = readAddress(a);
        const settings = {
          adapter: 'eth0',
          method: 'static',
          address: network,
          gateway: readGateway(g, network),
          nameServers: readNameServers(n),
          vlan: readVlan(v),
        } as const;
        assert.match(formatNetworkSettings(settings), /^static [\d.]+\/\d+ ([\d.]+|-) ([\d.,]+|-) (\d+|-)$/);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'ANSWER');
      }
    }),
  );
});

test('settings are written in the words of the scripts, whole', () => {
  const root = mkdtempSync(join(tmpdir(), 'diskferry-settings-'));
  try {
    const folder = join(root, 'run/diskferry/network-settings');
    const read = (): string => readFileSync(join(folder, 'eth0'), 'utf8');
    writeNetworkSettings(
      {
        adapter: 'eth0',
        method: 'static',
        address: NETWORK,
        gateway: '192.168.7.1',
        nameServers: ['10.0.0.1', '10.0.0.2'],
        vlan: 5,
      },
      root,
    );
    assert.equal(read(), 'static 192.168.7.5/24 192.168.7.1 10.0.0.1,10.0.0.2 5\n');
    writeNetworkSettings({ adapter: 'eth0', method: 'dhcp', vlan: undefined }, root);
    assert.equal(read(), 'dhcp - - - -\n');
    assert.deepEqual(readdirSync(folder), ['eth0']);
  } finally {
    rmSync(root, { recursive: true });
  }
});
