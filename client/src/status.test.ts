import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskInfo, Inventory, NicInfo } from '@diskferry/protocol/inventory';
import { activityText, type StatusState, statusText } from './status.ts';

const DISK: DiskInfo = {
  name: 'sda',
  size: 500_107_862_016,
  sectorSize: { logical: 512, physical: 4096 },
  model: 'ST500DM002-1BD14',
  serial: 'Z3TABCDE',
  transport: 'sata',
  removable: false,
  readOnly: false,
};
const NIC: NicInfo = {
  name: 'eth0',
  mac: '52:54:00:12:34:56',
  linkUp: true,
  addresses: ['fe80::5054:ff:fe12:3456', '10.0.2.15'],
};

function state(inventory: Partial<Inventory> = {}, rest: Partial<StatusState> = {}): StatusState {
  return {
    version: '1.2.3',
    inventory: {
      computer: { manufacturer: 'Dell Inc.', product: 'OptiPlex 7010', serial: 'ABC', firmware: 'uefi' },
      processors: { model: 'x', sockets: 1, cores: 2, threads: 4 },
      memoryBytes: 8_000_000_000,
      nics: [NIC],
      disks: [DISK],
      ...inventory,
    },
    port: 7000,
    host: undefined,
    writable: false,
    ...rest,
  };
}

test('the screen says what the computer is, what it has and what to type on the server', () => {
  assert.equal(
    statusText(state()),
    [
      'diskferry imaging client 1.2.3',
      '',
      'Computer: Dell Inc. OptiPlex 7010, serial ABC, 8.0 GB memory, UEFI',
      'Network:',
      '  eth0  52:54:00:12:34:56  10.0.2.15  fe80::5054:ff:fe12:3456',
      'Disks (read-only):',
      '  sda       500.1 GB  ST500DM002-1BD14, sata, serial Z3TABCDE',
      '',
      'On the server, type:',
      '  diskferry capture /dev/sda@10.0.2.15 sda.qcow2',
      '',
      'waiting for the server',
      '',
    ].join('\n'),
  );
});

test('a full screen fits 80 columns and 25 lines, and says what it left out', () => {
  const disks = Array.from({ length: 40 }, (_, index) => ({
    ...DISK,
    name: `sd${index}`,
    model: 'M'.repeat(100),
  }));
  const nics = Array.from({ length: 12 }, (_, index) => ({ ...NIC, name: `eth${index}` }));
  const text = statusText(state({ disks, nics }));
  const lines = text.split('\n');
  assert.ok(lines.length <= 25, `${lines.length} lines`);
  assert.ok(lines.every((line) => line.length < 80));
  assert.match(text, /and 32 more disks\n/);
  assert.match(text, /and 9 more network cards\n/);
  assert.match(text, /waiting for the server/);
});

test('a computer without an address waits and does not say what to type', () => {
  const nics = [
    { ...NIC, addresses: [] },
    { ...NIC, name: 'eth1', linkUp: false, addresses: [] },
    { ...NIC, name: 'eth2', addresses: ['fe80::1', '169.254.7.7'] },
  ];
  const text = statusText(state({ nics }));
  assert.match(text, /eth0 .* no address\n/);
  assert.match(text, /eth1 .* no link\n/);
  assert.match(text, /no network address yet; waiting for the server/);
  assert.doesNotMatch(text, /diskferry capture/);
});

test('what is missing is said', () => {
  const text = statusText(state({ disks: [], nics: [], computer: { firmware: 'bios' } }));
  assert.match(text, /Computer: unknown make, 8.0 GB memory, BIOS/);
  assert.match(text, /no network card was found/);
  assert.match(text, /no disk was found/);
});

test('an address is given as it has to be typed: with an unusual port, in IPv6, of a plain file', () => {
  const typed = (text: string): string | undefined => /capture (.*)\n/.exec(text)?.[1];
  assert.equal(typed(statusText(state({}, { port: 7005 }))), '/dev/sda@10.0.2.15:7005 sda.qcow2');
  const nics = [{ ...NIC, addresses: ['2001:db8::1'] }];
  assert.equal(typed(statusText(state({ nics }))), '/dev/sda@[2001:db8::1] sda.qcow2');
  const disks = [{ ...DISK, name: 'disk.img', transport: 'file' as const }];
  assert.equal(
    typed(statusText(state({ disks }, { host: '127.0.0.1' }))),
    'nbd://127.0.0.1:7000/disk.img disk.img.qcow2',
  );
});

test('the disk to capture is not the USB stick that stands first', () => {
  const disks = [
    { ...DISK, removable: true },
    { ...DISK, name: 'sdb' },
  ];
  assert.match(statusText(state({ disks })), /capture \/dev\/sdb@/);
});

test('a write grant is shown', () => {
  assert.match(statusText(state({}, { writable: true })), /Disks \(a server may write to them\):/);
});

test('the use of a disk is one line, and its errors another', () => {
  const use = { disk: 'sda', bytesRead: 1_234_000_000, bytesWritten: 0, errors: 0 };
  assert.equal(
    activityText([
      { ...use, connections: 4, peers: ['10.0.2.2'] },
      { ...use, disk: 'sdb', connections: 0, peers: [], bytesWritten: 512, errors: 2, lastError: 'sdb: EIO' },
    ]),
    'connected: 4 from 10.0.2.2, sda: 1.2 GB read\n' +
      'connected: 0, sdb: 1.2 GB read, 512 bytes written\nerrors: 2, the last: sdb: EIO\n',
  );
  assert.equal(activityText([]), '');
  const looked = { ...use, bytesRead: 0, connections: 0, peers: [] };
  assert.equal(activityText([looked]), '', 'a server that only asked for the size is not shown');
});
