import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attributes, MadeUpSysfs } from '../test-support/made-up-sysfs.ts';
import { findBlockDevice, listBlockDevices } from './block-devices.ts';

const ATA_PORT = 'pci0000:00/0000:00:1f.2/ata1';
const SATA_DISK = `${ATA_PORT}/host0/target0:0:0/0:0:0:0/block/sda`;
const USB_DEVICE = 'pci0000:00/0000:00:14.0/usb2/2-1';
const USB_STICK = `${USB_DEVICE}/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb`;
const VIRTIO_DISK = 'pci0000:00/0000:00:02.0/virtio1/block/vda';

/** Header as in SPC-4: peripheral type, page 0x80, length, then ASCII padded with spaces. */
function vpdSerial(serial: string): Buffer {
  return Buffer.concat([Buffer.from([0x00, 0x80, 0x00, serial.length]), Buffer.from(serial)]);
}

function namesIn(sysfs: MadeUpSysfs): string[] {
  return listBlockDevices(sysfs.root).map(({ info }) => info.name);
}

test('a SATA disk has the serial number of its vital product data and a World Wide Name', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(SATA_DISK, {
    size: '976773168',
    'queue/logical_block_size': '512',
    'queue/physical_block_size': '4096',
    'queue/rotational': '1',
    diskseq: '9',
  });
  sysfs.addFolder(`devices/${ATA_PORT}/host0/target0:0:0/0:0:0:0`, {
    vendor: 'ATA     ',
    model: 'ST500DM002-1BD14',
    vpd_pg80: vpdSerial('            Z3TABCDE'),
    wwid: 'naa.5000c500a1b2c3d4',
  });
  sysfs.addFolder(`devices/${ATA_PORT}/link1/ata_link/link1`, { sata_spd: '6.0 Gbps' });
  assert.deepEqual(listBlockDevices(sysfs.root), [
    {
      info: {
        name: 'sda',
        size: 500107862016,
        sectorSize: { logical: 512, physical: 4096 },
        model: 'ST500DM002-1BD14',
        serial: 'Z3TABCDE',
        wwn: 'naa.5000c500a1b2c3d4',
        transport: 'sata',
        removable: false,
        readOnly: false,
        rotational: true,
      },
      path: '/dev/sda',
      kind: 'block-device',
      generation: '9',
    },
  ]);
});

test('a disk on a parallel ATA cable is told from a SATA disk by its link without a speed', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(SATA_DISK, {});
  sysfs.addFolder(`devices/${ATA_PORT}/link1/ata_link/link1`, { sata_spd: '<unknown>' });
  assert.equal(listBlockDevices(sysfs.root)[0]?.info.transport, 'ata');
});

test('an NVMe disk with sectors of 4096 bytes is listed with its size in bytes', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(
    'pci0000:00/0000:01:00.0/nvme/nvme0/nvme0n1',
    {
      // Units of 512 bytes also here.
      size: '8192',
      'queue/logical_block_size': '4096',
      'queue/physical_block_size': '4096',
      'queue/rotational': '0',
      wwid: 'eui.0025385b91b0a3c1',
      'device/model': 'Samsung SSD 970 EVO 500GB               ',
      'device/serial': 'S466NX0M123456 ',
    },
    { hardware: false },
  );
  assert.deepEqual(listBlockDevices(sysfs.root)[0]?.info, {
    name: 'nvme0n1',
    size: 4194304,
    sectorSize: { logical: 4096, physical: 4096 },
    model: 'Samsung SSD 970 EVO 500GB',
    serial: 'S466NX0M123456',
    wwn: 'eui.0025385b91b0a3c1',
    transport: 'nvme',
    removable: false,
    readOnly: false,
    rotational: false,
  });
});

test('a multipath NVMe namespace is listed once, without its hidden paths', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice('virtual/nvme-subsystem/nvme-subsys0/nvme0n1', {});
  sysfs.addBlockDevice('pci0000:00/0000:01:00.0/nvme/nvme0/nvme0c0n1', { hidden: '1' });
  assert.deepEqual(namesIn(sysfs), ['nvme0n1']);
});

test('a virtio disk has the serial number that its host gave, and no model', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(VIRTIO_DISK, { serial: 'disk-7', ro: '1' });
  sysfs.addFolder('devices/pci0000:00/0000:00:02.0/virtio1', { vendor: '0x1af4' });
  const info = listBlockDevices(sysfs.root)[0]?.info;
  assert.equal(info?.serial, 'disk-7');
  assert.equal(info?.model, undefined);
  assert.equal(info?.transport, 'virtio');
  assert.equal(info?.readOnly, true);
  assert.deepEqual(info?.sectorSize, { logical: 512, physical: 512 });
});

test('a USB stick without vital product data has the serial number of its USB device', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(USB_STICK, { removable: '1' });
  sysfs.addFolder(`devices/${USB_DEVICE}/2-1:1.0/host6/target6:0:0/6:0:0:0`, {
    vendor: 'SanDisk ',
    model: 'Ultra           ',
  });
  sysfs.addFolder(`devices/${USB_DEVICE}`, {
    idVendor: '0781',
    serial: '4C530001230101117',
    product: 'Ultra',
  });
  const info = listBlockDevices(sysfs.root)[0]?.info;
  assert.equal(info?.model, 'SanDisk Ultra');
  assert.equal(info?.serial, '4C530001230101117');
  assert.equal(info?.transport, 'usb');
  assert.equal(info?.removable, true);
});

test('SAS, virtual SCSI and MMC disks are told by their place in the tree of devices', () => {
  using sysfs = new MadeUpSysfs();
  const sas = 'pci0000:00/0000:05:00.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda';
  sysfs.addBlockDevice(sas, {});
  sysfs.addBlockDevice('pci0000:00/0000:00:04.0/virtio2/host2/target2:0:0/2:0:0:0/block/sdb', {});
  sysfs.addBlockDevice('pci0000:00/0000:02:00.0/mmc_host/mmc0/mmc0:0001/block/mmcblk0', {});
  sysfs.addBlockDevice('vbd-51712/block/xvda', {});
  const transports = listBlockDevices(sysfs.root).map(({ info }) => [info.name, info.transport]);
  assert.deepEqual(Object.fromEntries(transports), {
    sda: 'sas',
    sdb: 'scsi',
    mmcblk0: 'mmc',
    xvda: 'unknown',
  });
});

test('an empty card reader is left out, and listed when it has a card', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(USB_STICK, { removable: '1', size: '0' });
  assert.deepEqual(namesIn(sysfs), []);
  sysfs.removeBlockDevice(USB_STICK);
  sysfs.addBlockDevice(USB_STICK, { removable: '1', size: '15523840' });
  assert.deepEqual(namesIn(sysfs), ['sdb']);
});

test('what is not a disk of the computer is left out', () => {
  using sysfs = new MadeUpSysfs();
  const others = [
    'loop0',
    'ram0',
    'zram0',
    'fd0',
    'sr0',
    'dm-0',
    'md127',
    'md_d0',
    'nbd0',
    'zd16',
    'bcache0',
    'mmcblk0boot0',
    'mmcblk0rpmb',
    'mtdblock0',
  ];
  for (const name of others) sysfs.addBlockDevice(`platform/x/block/${name}`, {});
  sysfs.addBlockDevice('virtual/block/madeup0', {}, { hardware: false });
  sysfs.addBlockDevice(VIRTIO_DISK, {});
  assert.deepEqual(namesIn(sysfs), ['vda']);
});

test('a disk that is unplugged leaves the list, and the next one of its name is another generation', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(USB_STICK, { diskseq: '4' });
  const [first] = listBlockDevices(sysfs.root);
  sysfs.removeBlockDevice(USB_STICK);
  assert.deepEqual(listBlockDevices(sysfs.root), []);
  sysfs.addBlockDevice(USB_STICK, { diskseq: '5' });
  const [second] = listBlockDevices(sysfs.root);
  assert.equal(second?.path, first?.path);
  assert.notEqual(second?.generation, first?.generation);
});

test('disks are in the order of their numbers and letters', () => {
  using sysfs = new MadeUpSysfs();
  const scsi = (name: string): string => `pci0000:00/host0/target0:0:0/${name}/block/${name}`;
  for (const name of ['sdaa', 'sdb', 'sda', 'sdz']) sysfs.addBlockDevice(scsi(name), {});
  for (const name of ['nvme10n1', 'nvme2n1', 'nvme2n2'])
    sysfs.addBlockDevice(`pci0000:00/nvme/x/${name}`, {});
  assert.deepEqual(namesIn(sysfs), ['nvme2n1', 'nvme2n2', 'nvme10n1', 'sda', 'sdb', 'sdz', 'sdaa']);
});

test('control characters of a device never reach the screen', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(SATA_DISK, {});
  sysfs.addFolder(`devices/${ATA_PORT}/host0/target0:0:0/0:0:0:0`, {
    model: Buffer.from('Evil\x1b[2J\x00\x07  Disk\xff\n', 'latin1'),
  });
  assert.equal(listBlockDevices(sysfs.root)[0]?.info.model, 'Evil[2J Disk');
});

test('a damaged page of vital product data gives no serial number', () => {
  const pages: Attributes[] = [
    { vpd_pg80: Buffer.from([]) },
    { vpd_pg80: Buffer.from([0x00, 0x80, 0x00]) },
    { vpd_pg80: Buffer.from([0x00, 0x83, 0x00, 0x01, 0x41]) },
  ];
  for (const page of pages) {
    using sysfs = new MadeUpSysfs();
    sysfs.addBlockDevice(SATA_DISK, {});
    sysfs.addFolder(`devices/${ATA_PORT}/host0/target0:0:0/0:0:0:0`, page);
    assert.equal(listBlockDevices(sysfs.root)[0]?.info.serial, undefined);
  }
});

test('a name with a slash, as of old RAID controllers, is written with a slash', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice('pci0000:00/cciss0/c0d0/block/cciss!c0d0', {});
  const [disk] = listBlockDevices(sysfs.root);
  assert.equal(disk?.info.name, 'cciss/c0d0');
  assert.equal(disk?.path, '/dev/cciss/c0d0');
});

test('a partition is found by its number and has the sectors of its disk', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addBlockDevice(VIRTIO_DISK, { 'queue/logical_block_size': '4096', serial: 'disk-7' });
  sysfs.addBlockDevice(
    `${VIRTIO_DISK}/vda1`,
    { dev: '254:1', size: '800', partition: '1' },
    { hardware: false },
  );
  const partition = findBlockDevice('254:1', sysfs.root);
  assert.equal(partition?.path, '/dev/vda1');
  assert.equal(partition?.info.size, 409600);
  assert.equal(partition?.info.sectorSize.logical, 4096);
  assert.equal(findBlockDevice('254:2', sysfs.root), undefined);
});

test('a computer without a block device has an empty list', () => {
  using sysfs = new MadeUpSysfs();
  assert.deepEqual(listBlockDevices(sysfs.root), []);
});
