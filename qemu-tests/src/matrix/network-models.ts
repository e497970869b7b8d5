import type { QemuDevice } from './qemu-devices.ts';
import type { HardwareModel } from './hardware-model.ts';

/** A card on USB needs a controller of its own. */
const onUsb: HardwareModel['plug'] = (name, { id, mac }) => [
  '-device',
  `qemu-xhci,id=usb-${id}`,
  '-device',
  `${name},id=c-${id},bus=usb-${id}.0,netdev=${id},mac=${mac}`,
];

/** Without its option ROM no card takes part in starting the machine. */
const onPci: HardwareModel['plug'] = (name, { id, mac }) => [
  '-device',
  `${name},id=c-${id},netdev=${id},mac=${mac},romfile=`,
];

const onMicrovm: HardwareModel['plug'] = (name, { id, mac }) => [
  '-device',
  `${name},id=c-${id},netdev=${id},mac=${mac}`,
];

/** A switch, each of whose ports is a network card; QEMU 7.2 does not take the words for ports. */
const rocker: HardwareModel['plug'] = (name, { id, mac }) => [
  '-device',
  `${name},id=c-${id},name=${id},fp_start_macaddr=${mac}`,
];

/** How cards are plugged in, by the bus that QEMU names: so models of a newer QEMU are tested too. */
const PLUGS: Readonly<Record<string, Pick<HardwareModel, 'plug' | 'chipset'>>> = {
  PCI: { plug: onPci, chipset: 'q35' },
  'usb-bus': { plug: onUsb, chipset: 'q35' },
  'virtio-bus': { plug: onMicrovm, chipset: 'microvm' },
};

/** Undefined for a bus that nobody has taught the matrix. */
export function networkModel({ name, bus = '', description }: QemuDevice): HardwareModel | undefined {
  const plug = PLUGS[bus];
  if (plug === undefined) return undefined;
  return {
    subject: 'network',
    name,
    ...(description === undefined ? {} : { description }),
    ...plug,
    ...(name === 'rocker' ? { plug: rocker } : {}),
  };
}
