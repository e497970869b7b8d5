import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceInfo } from '@diskferry/protocol/inventory';
import { inventoryOf, type MadeUpComputer, office } from '../testing/inventories.ts';
import { recorded } from '../testing/recorded.ts';
import { KNOWN_HARDWARE, recogniseHardware } from './recognise.ts';

function recognised(computer: MadeUpComputer): string | undefined {
  return recogniseHardware(inventoryOf(computer))?.id;
}

function pci(...ids: string[]): DeviceInfo[] {
  return ids.map((id) => ({ bus: 'pci', id }));
}

const QEMU_BRIDGE = { bus: 'pci', class: '0600', subsystem: '1af4:1100' };

test('machines of QEMU are recognised by what they say', () => {
  assert.equal(recogniseHardware(recorded('qemu-i440fx-bios'))?.id, 'qemu-i440fx');
  assert.equal(recogniseHardware(recorded('qemu-q35-bios'))?.id, 'qemu-q35');
  assert.equal(recogniseHardware(recorded('qemu-q35-uefi'))?.id, 'qemu-q35');
});

test('all disk controllers and cards of the recorded machines are in their data file', () => {
  for (const name of ['qemu-i440fx-bios', 'qemu-q35-bios', 'qemu-q35-uefi', 'qemu-q35-usb-nic']) {
    const inventory = recorded(name);
    const known = recogniseHardware(inventory);
    const parts = [...known!.storage, ...known!.network].map(({ id }) => id);
    const shown = inventory.devices!.filter(({ class: word = '' }) => /^0[12]/.test(word));
    assert.ok(shown.length > 0);
    for (const { id } of shown) assert.ok(parts.includes(id), `${name}: ${id}`);
  }
});

test('a machine of QEMU under other words is known by its host bridge', () => {
  const words = { manufacturer: 'OpenStack Foundation', product: 'OpenStack Nova' };
  assert.equal(recognised({ ...words, devices: [{ ...QEMU_BRIDGE, id: '8086:1237' }] }), 'qemu-i440fx');
  assert.equal(recognised({ ...words, devices: [{ ...QEMU_BRIDGE, id: '8086:29c0' }] }), 'qemu-q35');
  assert.equal(recognised(words), undefined);
});

// Words as kernels print them in "Hardware name:" lines.
test('VMware is recognised as the lowest version that has what the machine shows', () => {
  const manufacturer = 'VMware, Inc.';
  const bios = { manufacturer, product: 'VMware Virtual Platform', firmware: 'bios' } as const;
  const uefi = { manufacturer, product: 'VMware7,1', firmware: 'uefi' } as const;
  assert.equal(recognised({ ...bios, devices: pci('1000:0030', '8086:100f') }), 'vmware-4');
  assert.equal(recognised({ ...bios, devices: pci('15ad:07c0', '15ad:07b0') }), 'vmware-7');
  assert.equal(recognised({ ...uefi, devices: pci('15ad:07c0', '15ad:07b0') }), 'vmware-8');
  assert.equal(recognised({ ...uefi, devices: pci('15ad:07e0') }), 'vmware-10');
  assert.equal(recognised({ ...uefi, devices: pci('15ad:07f0', '15ad:07b0') }), 'vmware-13');
  assert.equal(recognised({ ...uefi, product: 'VMware20,1', devices: pci('15ad:07c0') }), 'vmware-20');
  // A graphics card of the host.
  assert.equal(recognised({ ...bios, devices: pci('10de:1eb8') }), 'vmware-4');
});

test('the generations of Hyper-V are told apart by their firmware', () => {
  const words = { manufacturer: 'Microsoft Corporation', product: 'Virtual Machine' };
  assert.equal(recognised({ ...words, firmware: 'bios', biosVersion: '090008' }), 'hyper-v-1');
  const devices = [{ bus: 'vmbus', id: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f' }];
  assert.equal(recognised({ ...words, firmware: 'uefi', devices }), 'hyper-v-2');
  assert.equal(recognised({ ...words, product: 'Surface Pro 9' }), undefined);
});

test('VirtualBox and Xen are recognised, though they imitate the same chipset as QEMU', () => {
  const devices = [{ ...QEMU_BRIDGE, id: '8086:1237' }];
  assert.equal(recognised({ manufacturer: 'innotek GmbH', product: 'VirtualBox', devices }), 'virtualbox');
  assert.equal(recognised({ manufacturer: 'Xen', product: 'HVM domU', devices }), 'xen-hvm');
});

test('a physical computer is none of them', () => {
  assert.equal(recognised(office(1)), undefined);
  assert.equal(recognised({}), undefined);
});

test('the data files have no id twice, and name for each part a bus that inventories know', () => {
  const ids = KNOWN_HARDWARE.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const { id, storage, network, firmware } of KNOWN_HARDWARE) {
    assert.ok(storage.length > 0 && network.length > 0 && firmware.length > 0, id);
    for (const part of [...storage, ...network]) {
      if (part.bus === 'pci') assert.match(part.id, /^[0-9a-f]{4}:[0-9a-f]{4}$/);
      else assert.ok(['vmbus', 'xen'].includes(part.bus));
    }
  }
});
