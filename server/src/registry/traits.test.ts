import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inventoryOf, type MadeUpComputer, office } from './testing/inventories.ts';
import { recorded } from './testing/recorded.ts';
import { type Trait, traitsOf, traitsOfBoot } from './traits.ts';

const UUID = '4c4c4544-0058-4b10-8032-b7c04f000001';
const TURNED = '44454c4c-5800-104b-8032-b7c04f000001';

function traits(computer: MadeUpComputer): readonly Trait[] {
  return traitsOf(inventoryOf(computer));
}

test('a computer is recognised by UUID, serial numbers, built-in cards and fixed disks', () => {
  assert.deepEqual(traits(office(1)), [
    { kind: 'uuid', value: TURNED },
    { kind: 'system-serial', value: 'dell inc./svc000001' },
    { kind: 'board-serial', value: 'dell inc.//svc000001/cn7475000001/' },
    { kind: 'mac', value: 'd8:9e:f3:00:00:01' },
    { kind: 'disk', value: 'samsung ssd 860/s3z8nb0k000001' },
  ]);
});

test('a UUID is the same in the byte order of the firmware and in that of PXE', () => {
  assert.deepEqual(traits({ uuid: UUID }), traits({ uuid: TURNED.toUpperCase() }));
});

test('cards of adapters and docks do not identify, nor do those of which the bus is not known', () => {
  const mac = 'd8:9e:f3:00:00:01';
  const identifies = (nic: object): boolean => traits({ nics: [{ mac, ...nic }] }).length > 0;
  assert.equal(identifies({ bus: 'pci' }), true);
  assert.equal(identifies({ bus: 'virtio' }), true);
  assert.equal(identifies({ bus: 'pci', removable: false }), true);
  assert.equal(identifies({ bus: 'usb' }), false);
  assert.equal(identifies({ bus: 'pci', removable: true }), false);
  assert.equal(identifies({ bus: undefined }), false);
});

test('disks that travel do not identify; a world wide name goes before a serial number', () => {
  const of = (disk: object): readonly Trait[] => traits({ disks: [disk] });
  assert.deepEqual(of({ model: 'X', serial: 'ABC1', transport: 'usb' }), []);
  assert.deepEqual(of({ model: 'X', serial: 'ABC1', removable: true }), []);
  assert.deepEqual(of({ model: 'X', serial: 'QM00001' }), []);
  assert.deepEqual(of({ model: 'X' }), []);
  assert.deepEqual(of({ model: 'X', serial: 'ABC1', wwn: '0x5002538E40A1B2C3' }), [
    { kind: 'disk', value: '0x5002538e40a1b2c3' },
  ]);
});

test('a serial number that only repeats the UUID says nothing more', () => {
  const uuid = '564d9a1e-86d1-4e74-af7c-3b54377d15e3';
  for (const serial of [
    'VMware-56 4d 9a 1e 86 d1 4e 74-af 7c 3b 54 37 7d 15 e3',
    'VMware-1e 9a 4d 56 d1 86 74 4e-af 7c 3b 54 37 7d 15 e3',
    uuid,
    `ec2${uuid}`,
  ]) {
    assert.deepEqual(
      traits({ uuid, serial, boardSerial: serial }).map(({ kind }) => kind),
      ['uuid'],
      serial,
    );
  }
});

test('a machine that asks for its boot loader has the traits that its inventory will have', () => {
  const inventory = inventoryOf(office(1));
  const boot = traitsOfBoot({
    mac: 'd8:9e:f3:00:00:01',
    uuid: TURNED,
    firmware: 'bios',
    address: '192.0.2.7',
    manufacturer: 'Dell Inc.',
    product: 'OptiPlex 7060',
    serial: 'SVC000001',
  });
  const known = traitsOf(inventory);
  for (const trait of boot)
    assert.ok(known.some((other) => other.kind === trait.kind && other.value === trait.value));
  assert.equal(boot.length, 3);
});

test('of a real machine with a USB card and a USB disk, what is built in identifies', () => {
  assert.deepEqual(traitsOf(recorded('qemu-q35-usb-nic')), [
    { kind: 'uuid', value: '5d4e3f8b-7b6c-804a-9192-a3b4c5d6e7f8' },
    { kind: 'mac', value: '52:54:00:4a:11:05' },
    { kind: 'disk', value: 'naa.5000c50015ea71aa' },
  ]);
  // Nobody has set anything here but the address of the card and the number of the second disk.
  assert.deepEqual(
    traitsOf(recorded('qemu-q35-bios')).map(({ value }) => value),
    ['52:54:00:4a:11:02', '/data-1'],
  );
});
