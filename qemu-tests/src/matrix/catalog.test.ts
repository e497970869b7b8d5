import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planBoots } from './boot-plan.ts';
import { makeCatalog } from './catalog.ts';
import type { QemuDevice } from './qemu-devices.ts';

function device(name: string, category: string, bus = 'PCI'): QemuDevice {
  return { name, category, bus };
}

test('a network card that nobody has heard of is tested by its bus', () => {
  const { models } = makeCatalog([device('newcard', 'Network'), device('usb-newcard', 'Network', 'usb-bus')]);
  assert.deepEqual(
    models.map(({ subject, name, chipset }) => ({ subject, name, chipset })),
    [
      { subject: 'network', name: 'newcard', chipset: 'q35' },
      { subject: 'network', name: 'usb-newcard', chipset: 'q35' },
    ],
  );
});

test('a controller that nobody has heard of is unknown, and so is a card on an unknown bus', () => {
  const { models, unknown } = makeCatalog([device('ufs', 'Storage'), device('card', 'Network', 'newbus')]);
  assert.deepEqual({ models, unknown }, { models: [], unknown: ['ufs', 'card'] });
});

test('what is left out has a reason, and what has nothing to do with disks and networks is not there', () => {
  const { models, leftOut, unknown } = makeCatalog([
    device('isa-ide', 'Storage', 'ISA'),
    device('usb-kbd', 'Input', 'usb-bus'),
    device('usb-hub', 'Controller/Bridge/Hub', 'usb-bus'),
  ]);
  assert.deepEqual({ models, unknown }, { models: [], unknown: [] });
  assert.deepEqual(
    leftOut.map(({ name }) => name),
    ['isa-ide'],
  );
});

test('controllers for USB are found by their names, in whatever category they stand', () => {
  const names = ['usb-ehci', 'ich9-usb-uhci6', 'pci-ohci', 'nec-usb-xhci'];
  const { models } = makeCatalog(names.map((name) => device(name, 'USB')));
  assert.deepEqual(
    models.map(({ name }) => name),
    names,
  );
});

test('models share a machine unless something forbids it', () => {
  const names = ['lsi53c810', 'piix3-ide', 'piix4-ide', 'am53c974', 'dc390', 'virtio-blk-device', 'nvdimm'];
  const { models } = makeCatalog([
    ...names.map((name) => device(name, 'Storage')),
    device('virtio-net-device', 'Network', 'virtio-bus'),
    device('e1000', 'Network'),
  ]);
  assert.deepEqual(
    planBoots(models).map((boot) => boot.map(({ name }) => name)),
    [
      ['lsi53c810', 'piix3-ide'],
      ['piix4-ide'],
      ['am53c974', 'dc390'],
      ['virtio-blk-device', 'virtio-net-device'],
      ['nvdimm'],
      ['e1000'],
    ],
  );
});

test('a machine has no more than its slots', () => {
  const { models } = makeCatalog(Array.from({ length: 60 }, (_, index) => device(`card${index}`, 'Network')));
  const boots = planBoots(models);
  assert.ok(boots.every(({ length }) => length <= 28));
  assert.equal(boots.flat().length, 60);
});
