import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MadeUpSysfs } from '../test-support/made-up-sysfs.ts';
import { deviceReader } from './devices.ts';

test('devices of PCI are listed with their identities, their class and their driver', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addFolder('bus/pci/devices/0000:00:01.1', {
    vendor: '0x8086',
    device: '0x7010',
    class: '0x010180',
    subsystem_vendor: '0x1af4',
    subsystem_device: '0x1100',
  });
  sysfs.addLink('bus/pci/devices/0000:00:01.1/driver', 'bus/pci/drivers/ata_piix');
  sysfs.addFolder('bus/pci/devices/0000:00:00.0', { vendor: '0x8086', device: '0x1237', class: '0x060000' });
  assert.deepEqual(deviceReader(sysfs.root)(), [
    { bus: 'pci', id: '8086:1237', class: '0600' },
    { bus: 'pci', id: '8086:7010', subsystem: '1af4:1100', class: '0101', driver: 'ata_piix' },
  ]);
});

test('devices of Hyper-V and Xen are named as their buses name them', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addFolder('bus/vmbus/devices/00000000-0000-8899-0000-000000000000', {
    class_id: '{ba6163d9-04a1-4d29-b605-72e2ffb1dc7f}',
  });
  sysfs.addFolder('bus/xen/devices/vbd-768', { modalias: 'xen:vbd' });
  assert.deepEqual(deviceReader(sysfs.root)(), [
    { bus: 'vmbus', id: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f' },
    { bus: 'xen', id: 'vbd' },
  ]);
});

test('a driver that is loaded later is told, and so is a device that is plugged in later', () => {
  using sysfs = new MadeUpSysfs();
  const read = deviceReader(sysfs.root);
  sysfs.addFolder('bus/pci/devices/0000:00:02.0', { vendor: '0x8086', device: '0x10d3', class: '0x020000' });
  assert.deepEqual(
    read().map(({ driver }) => driver),
    [undefined],
  );
  sysfs.addLink('bus/pci/devices/0000:00:02.0/driver', 'bus/pci/drivers/e1000e');
  sysfs.addFolder('bus/xen/devices/vif-0', { modalias: 'xen:vif' });
  assert.deepEqual(
    read().map(({ id, driver }) => [id, driver]),
    [
      ['8086:10d3', 'e1000e'],
      ['vif', undefined],
    ],
  );
});

test('what is behind a dock, and what cannot be read, is left out', () => {
  using sysfs = new MadeUpSysfs();
  const card = { vendor: '0x8086', device: '0x15f2', class: '0x020000' };
  sysfs.addFolder('bus/pci/devices/0000:3c:00.0', { ...card, removable: 'removable' });
  sysfs.addFolder('bus/pci/devices/0000:3d:00.0', { class: '0x020000' });
  assert.deepEqual(deviceReader(sysfs.root)(), []);
});
