import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceInfo, Inventory } from '@diskferry/protocol/inventory';
import { inventoryOf, type MadeUpComputer, office } from '../testing/inventories.ts';
import { canonicalJson } from './canonical-json.ts';
import { hardwareChanges } from './changes.ts';
import { describeHardware, hardwareHash, hardwareTitle } from './description.ts';

const DEVICES: readonly DeviceInfo[] = [
  { bus: 'pci', id: '8086:3ec2', class: '0600' },
  { bus: 'pci', id: '8086:a352', class: '0106', driver: 'ahci' },
  { bus: 'pci', id: '8086:15bb', class: '0200', driver: 'e1000e' },
  { bus: 'pci', id: '144d:a808', class: '0108', driver: 'nvme' },
  { bus: 'pci', id: '10de:1cb1', class: '0300' },
];

function hashOf(computer: MadeUpComputer, change: Partial<Inventory> = {}): string {
  return hardwareHash(describeHardware({ ...inventoryOf({ devices: DEVICES, ...computer }), ...change }));
}

test('equal machines have one hash, whatever their numbers, addresses, disks and memory are', () => {
  const hash = hashOf(office(1));
  assert.equal(hashOf(office(2)), hash);
  assert.equal(hashOf(office(1), { memoryBytes: 1 }), hash);
  assert.equal(hashOf({ ...office(1), biosVersion: '2.0' }), hash);
  assert.equal(hashOf({ ...office(1), disks: [] }), hash);
  assert.equal(hashOf({ ...office(1), devices: DEVICES.toReversed() }), hash);
  assert.equal(
    hashOf({ ...office(1), devices: [...DEVICES, DEVICES[2]!] }),
    hash,
    'a second card of one kind',
  );
  const otherNvme = DEVICES.map((device) =>
    device.class === '0108' ? { ...device, id: '15b7:5006' } : device,
  );
  assert.equal(hashOf({ ...office(1), devices: otherNvme }), hash, 'an NVMe disk of another maker');
});

test('machines for which a system needs other drivers or settings have other hashes', () => {
  const hash = hashOf(office(1));
  const changes: Readonly<Record<string, string>> = {
    product: hashOf({ ...office(1), product: 'OptiPlex 7070' }),
    board: hashOf({ ...office(1), boardProduct: 'other' }),
    firmware: hashOf({ ...office(1), firmware: 'bios' }),
    processor: hashOf(office(1), { processors: { model: 'other', sockets: 1, cores: 6, threads: 6 } }),
    controller: hashOf({
      ...office(1),
      devices: [...DEVICES, { bus: 'pci', id: '1000:005d', class: '0104' }],
    }),
    card: hashOf({ ...office(1), devices: [...DEVICES, { bus: 'pci', id: '8086:1521', class: '0200' }] }),
    paravirtual: hashOf({ ...office(1), devices: [{ bus: 'xen', id: 'vbd' }] }),
  };
  for (const [what, other] of Object.entries(changes)) assert.notEqual(other, hash, what);
  assert.equal(new Set(Object.values(changes)).size, Object.keys(changes).length);
});

test('the hash stays what it was: records in databases refer to it', () => {
  assert.equal(hashOf(office(1)), '27b85c1abd9b0d2a62232ce1541d69015c9359c072d1976d9dd11dbc0776eec0');
});

test('an inventory without devices is described by drivers and transports', () => {
  const { devices, ...inventory } = inventoryOf({
    ...office(1),
    nics: [{ mac: 'x', driver: 'tg3' }],
    disks: [{}, {}],
  });
  const { chipset, storage, network } = describeHardware(inventory);
  assert.deepEqual(
    { devices, chipset, storage, network },
    {
      devices: undefined,
      chipset: [],
      storage: ['transport sata'],
      network: ['driver tg3'],
    },
  );
});

test('hardware has a title for people', () => {
  assert.equal(hardwareTitle(describeHardware(inventoryOf(office(1)))), 'Dell Inc. OptiPlex 7060, UEFI');
  assert.equal(hardwareTitle(describeHardware(inventoryOf({ firmware: 'bios' }))), 'unknown computer, BIOS');
});

test('what has changed in the hardware is said in sentences', () => {
  const of = (computer: MadeUpComputer) => describeHardware(inventoryOf({ devices: DEVICES, ...computer }));
  const devices = [...DEVICES.slice(0, 2), { bus: 'pci', id: '8086:1521', class: '0200' }];
  assert.deepEqual(hardwareChanges(of(office(1)), of({ ...office(1), boardProduct: '0C96W2', devices })), [
    'The board was 0C96W1 and is 0C96W2 now.',
    'The disk controller pci nvme is gone.',
    'The network card pci 8086:15bb is gone.',
    'The network card pci 8086:1521 is new.',
  ]);
  assert.deepEqual(hardwareChanges(of(office(1)), of(office(2))), []);
});

test('canonical JSON does not depend on the order of keys, and leaves absent fields out', () => {
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined, aa: true }),
    '{"aa":true,"b":[1,{"c":"x","d":null}]}',
  );
});
