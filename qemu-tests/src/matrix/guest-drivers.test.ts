import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGuestDrivers } from './guest-drivers.ts';

test('drivers and missing firmware are read, whatever else the serial line shows', () => {
  const answer = `all
ip: SIOCSIFFLAGS: No such file or directory
df:sda @0000:00:05.0 sd_mod usb_storage usbcore usbcore uhci_hcd
df:mmcblk0 @
df:!firmware 0000:00:09.0 e100/d102e_ucode.bin
df:!end`;
  assert.deepEqual(parseGuestDrivers(answer), {
    devices: [
      { name: 'sda', modules: ['sd_mod', 'usb_storage', 'usbcore', 'uhci_hcd'], pciAddress: '0000:00:05.0' },
      { name: 'mmcblk0', modules: [] },
    ],
    missingFirmware: [{ device: '0000:00:09.0', file: 'e100/d102e_ucode.bin' }],
  });
});
