import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ComputerInfo, Inventory } from '@diskferry/protocol/inventory';
import { computerName } from './computer-name.ts';

const UUID = '4c4c4544-0058-4b10-8032-b7c04f4a354a';
const MAC = '52:54:00:12:34:56';

function nameOf(computer: Partial<ComputerInfo>, macs: readonly string[] = [MAC]): string {
  const inventory: Inventory = {
    computer: { firmware: 'bios', ...computer },
    processors: { model: 'any', sockets: 1, cores: 1, threads: 1 },
    memoryBytes: 1,
    nics: macs.map((mac) => ({ name: 'eth0', mac, linkUp: true, addresses: [] })),
    disks: [],
  };
  return computerName(inventory);
}

test('a computer is named by serial number, else UUID, else network card', () => {
  assert.equal(nameOf({ serial: '7XK2J5J', uuid: UUID }), '7XK2J5J');
  assert.equal(nameOf({ uuid: UUID }), UUID);
  assert.equal(nameOf({}), '52-54-00-12-34-56');
  assert.equal(nameOf({}, []), 'computer');
});

test('words that stand in for a serial number or UUID name nothing', () => {
  for (const serial of [
    'To Be Filled By O.E.M.',
    'Default string',
    ' None ',
    '0',
    '00000000',
    'System Serial Number',
    'Not Specified',
    'N/A',
    '  ',
  ]) {
    assert.equal(nameOf({ serial, uuid: UUID }), UUID, serial);
  }
  for (const uuid of [
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
  ]) {
    assert.equal(nameOf({ uuid }), '52-54-00-12-34-56', uuid);
  }
});

test('whatever a serial number holds, the name is safe in a path and an address', () => {
  assert.equal(nameOf({ serial: '../../etc/passwd' }), 'etc-passwd');
  assert.equal(nameOf({ serial: 'VMware-56 4d 9a/1@x:y' }), 'VMware-56-4d-9a-1-x-y');
  assert.equal(nameOf({ serial: '\u001b[2J\n' }), '2J');
  assert.equal(nameOf({ serial: '…' }), '52-54-00-12-34-56');
  assert.equal(nameOf({ serial: 'x'.repeat(1000).replace('x', 'y') }).length, 40);
});
