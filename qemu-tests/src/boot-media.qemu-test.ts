import { test } from 'node:test';
import { openSession } from '@diskferry/system/session';
import { withBootedClient } from './booted-client.ts';

// 256 MB of memory, one file for CD and USB stick: what a person burns or copies has to start everywhere.
const MEDIA = [
  { medium: 'cd', firmware: 'bios', nicModel: 'e1000' },
  { medium: 'usb-stick', firmware: 'bios', nicModel: 'rtl8139' },
  { medium: 'cd', firmware: 'uefi', nicModel: 'e1000e' },
  { medium: 'usb-stick', firmware: 'uefi', nicModel: 'vmxnet3' },
  { medium: 'pxe', firmware: 'bios', nicModel: 'virtio-net-pci' },
] as const;

for (const { medium, firmware, nicModel } of MEDIA) {
  test(`a ${firmware} computer with a ${nicModel} card boots from ${medium} and waits for the server`, async () => {
    await using session = openSession('boot-media');
    await withBootedClient(
      { name: `${medium}-${firmware}`, session, medium, firmware, nicModel },
      async () => {},
    );
  });
}
