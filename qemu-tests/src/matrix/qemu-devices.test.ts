import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDevices } from './qemu-devices.ts';

const HELP = `Controller/Bridge/Hub devices:
name "usb-hub", bus usb-bus

Storage devices:
name "ich9-ahci", bus PCI, alias "ahci"
name "megasas", bus PCI, desc "LSI MegaRAID SAS 1078"
name "nvdimm", desc "DIMM memory module"

Network devices:
name "e1000", bus PCI, alias "e1000-82540em", desc "Intel, Gigabit "Ethernet""
`;

test('devices are read with category, bus and description', () => {
  assert.deepEqual(parseDevices(HELP), [
    { name: 'usb-hub', category: 'Controller/Bridge/Hub', bus: 'usb-bus' },
    { name: 'ich9-ahci', category: 'Storage', bus: 'PCI' },
    { name: 'megasas', category: 'Storage', bus: 'PCI', description: 'LSI MegaRAID SAS 1078' },
    { name: 'nvdimm', category: 'Storage', description: 'DIMM memory module' },
    { name: 'e1000', category: 'Network', bus: 'PCI', description: 'Intel, Gigabit "Ethernet"' },
  ]);
});
