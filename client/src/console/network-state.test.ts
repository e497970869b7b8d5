import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MadeUpSysfs } from '../test-support/made-up-sysfs.ts';
import { readControllers } from './missing-hardware.ts';
import { parseNetworkState, parseUptime, readNetworkStates } from './network-state.ts';

test('the line of an adapter is its state, since when, and words', () => {
  assert.deepEqual(parseNetworkState('eth0', 'no-answer 17'), {
    adapter: 'eth0',
    word: 'no-answer',
    since: 17,
    words: '',
  });
  assert.deepEqual(parseNetworkState('eth0', 'bound 30 10.0.0.5/24 vlan 5')?.words, '10.0.0.5/24 vlan 5');
  for (const line of ['', 'asking', 'asking x', 'dancing 5', 'asking -5', 'asking 5x']) {
    assert.equal(parseNetworkState('eth0', line), undefined, line);
  }
});

test('the states of all adapters are read, without half-written files; without a folder there are none', () => {
  const root = mkdtempSync(join(tmpdir(), 'diskferry-network-'));
  try {
    assert.deepEqual(readNetworkStates(root), []);
    const folder = join(root, 'run/diskferry/network');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'eth10'), 'asking 5\n');
    writeFileSync(join(folder, 'eth9'), 'off 4\n');
    writeFileSync(join(folder, '.eth9.123'), 'off 4\n');
    writeFileSync(join(folder, 'eth1'), '');
    assert.deepEqual(
      readNetworkStates(root).map(({ adapter, word }) => `${adapter} ${word}`),
      ['eth9 off', 'eth10 asking'],
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('the seconds since the start are read', () => {
  assert.equal(parseUptime('35712.34 70000.11\n'), 35712);
  assert.equal(parseUptime(''), 0);
});

test('controllers of disks and networks are told with their drivers, other devices are left out', () => {
  using sysfs = new MadeUpSysfs();
  const add = (name: string, code: string, vendor: string, device: string): void =>
    sysfs.addFolder(`bus/pci/devices/${name}`, { class: code, vendor, device });
  add('0000:00:02.0', '0x030000', '0x1234', '0x1111');
  add('0000:00:03.0', '0x020000', '0x8086', '0x10d3');
  add('0000:00:04.0', '0x010400', '0x1000', '0x0060');
  sysfs.addLink('bus/pci/devices/0000:00:04.0/driver', 'bus/pci/drivers/megaraid_sas');
  assert.deepEqual(readControllers(sysfs.root), [
    { kind: 'network', id: '8086:10d3', driver: undefined },
    { kind: 'storage', id: '1000:0060', driver: 'megaraid_sas' },
  ]);
});
