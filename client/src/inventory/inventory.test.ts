import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readInventory as checkInventory } from '@diskferry/protocol/inventory';
import { MadeUpSysfs } from '../test-support/made-up-sysfs.ts';
import { readComputer } from './computer.ts';
import { inventoryReader } from './inventory.ts';
import { parseMemoryBytes } from './memory.ts';
import { type InterfaceAddresses, readNics } from './nics.ts';
import { parseProcessors } from './processors.ts';

const CARD = 'pci0000:00/0000:00:19.0';

test('a computer is described in the words of its firmware, without the words of an empty form', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addFolder('class/dmi/id', {
    sys_vendor: 'Dell Inc.',
    product_name: 'OptiPlex 7010',
    product_version: 'Not Specified',
    product_serial: 'To be filled by O.E.M.',
    product_uuid: '4c4c4544-0042-3510-8052-b4c04f4a3332',
    board_vendor: 'Default string',
    board_serial: '/7XK2J5J/CN7016343F00XY/',
    bios_version: 'A29',
  });
  assert.deepEqual(readComputer(sysfs.root), {
    manufacturer: 'Dell Inc.',
    product: 'OptiPlex 7010',
    uuid: '4c4c4544-0042-3510-8052-b4c04f4a3332',
    boardSerial: '/7XK2J5J/CN7016343F00XY/',
    biosVersion: 'A29',
    firmware: 'bios',
  });
});

test('a computer without SMBIOS tables that was started by UEFI says just that', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addFolder('firmware/efi', {});
  assert.deepEqual(readComputer(sysfs.root), { firmware: 'uefi' });
});

test('sockets, cores and threads are counted, with equal core numbers in two sockets', () => {
  const thread = (processor: number, socket: number, core: number): string =>
    `processor\t: ${processor}\nmodel name\t: Intel(R) Xeon(R) CPU E5-2690\nphysical id\t: ${socket}\ncore id\t\t: ${core}\n`;
  const threads = [0, 1].flatMap((socket) => [0, 1, 0, 1].map((core) => [socket, core] as const));
  const cpuinfo = threads.map(([socket, core], index) => thread(index, socket, core)).join('\n');
  assert.deepEqual(parseProcessors(cpuinfo), {
    model: 'Intel(R) Xeon(R) CPU E5-2690',
    sockets: 2,
    cores: 4,
    threads: 8,
  });
});

test('processors that are not numbered are a socket with a core a thread', () => {
  assert.deepEqual(
    parseProcessors('processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\n\nHardware\t: x\n'),
    {
      model: 'unknown',
      sockets: 1,
      cores: 2,
      threads: 2,
    },
  );
});

test('memory is counted in bytes', () => {
  assert.equal(parseMemoryBytes('MemTotal:         228040 kB\nMemFree:          100 kB\n'), 233512960);
  assert.equal(parseMemoryBytes(''), 0);
});

test('a network card is listed with its driver, link and addresses', () => {
  using sysfs = new MadeUpSysfs();
  sysfs.addFolder(`devices/${CARD}/net/eth0`, {
    address: '52:54:00:12:34:56',
    type: '1',
    carrier: '1',
    speed: '1000',
  });
  sysfs.addLink(`devices/${CARD}/driver`, 'bus/pci/drivers/e1000e');
  sysfs.addLink(`devices/${CARD}/subsystem`, 'bus/pci');
  sysfs.addLink(`devices/${CARD}/net/eth0/device`, `devices/${CARD}`);
  sysfs.addLink('class/net/eth0', `devices/${CARD}/net/eth0`);
  const interfaces = {
    eth0: [{ address: '10.0.2.15' }, { address: 'fe80::1' }],
    'eth0.5': [{ address: '10.5.0.1' }],
    eth00: [{ address: '10.6.0.1' }],
  } as unknown as InterfaceAddresses;
  assert.deepEqual(readNics(sysfs.root, interfaces), [
    {
      name: 'eth0',
      mac: '52:54:00:12:34:56',
      driver: 'e1000e',
      bus: 'pci',
      linkUp: true,
      speedMbps: 1000,
      addresses: ['10.0.2.15', 'fe80::1', '10.5.0.1'],
    },
  ]);
});

test('a network card that is down has no speed and no address; what is no card is left out', () => {
  using sysfs = new MadeUpSysfs();
  // A card that is down fails to read its carrier, as if it were absent.
  sysfs.addFolder('class/net/eth1', { address: '52:54:00:00:00:01', type: '1', speed: '-1', 'device/x': '' });
  sysfs.addFolder('class/net/lo', { address: '00:00:00:00:00:00', type: '772' });
  sysfs.addFolder('class/net/br0', { address: '52:54:00:00:00:01', type: '1' });
  sysfs.addFolder('class/net/ib0', { address: '80:00', type: '32', 'device/x': '' });
  assert.deepEqual(readNics(sysfs.root, {}), [
    { name: 'eth1', mac: '52:54:00:00:00:01', linkUp: false, addresses: [] },
  ]);
});

test('a network card says whether it is plugged in from outside, where the kernel knows it', () => {
  const removableOf = (word: string): boolean | undefined => {
    using sysfs = new MadeUpSysfs();
    sysfs.addFolder('class/net/eth0', { address: '52:54:00:00:00:01', type: '1', 'device/removable': word });
    return readNics(sysfs.root, {})[0]?.removable;
  };
  assert.deepEqual(['removable', 'fixed', 'unknown'].map(removableOf), [true, false, undefined]);
});

test('the inventory of this very computer passes the check of the protocol', () => {
  const inventory = inventoryReader(() => [])();
  assert.deepEqual(checkInventory(JSON.parse(JSON.stringify(inventory)), 'inventory'), inventory);
  assert.ok(inventory.memoryBytes > 0);
  assert.ok(inventory.processors.threads > 0);
});
