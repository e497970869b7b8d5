import type { Inventory } from '@diskferry/protocol/inventory';
import { HYPER_V_1, HYPER_V_2 } from './hyper-v.ts';
import type { KnownHardware, SmbiosWord } from './known-hardware.ts';
import { QEMU_I440FX, QEMU_Q35 } from './qemu.ts';
import { VIRTUALBOX } from './virtualbox.ts';
import { VMWARE } from './vmware.ts';
import { XEN_HVM } from './xen.ts';

/** All virtual hardware that is known before anybody has it; the first that fits a machine counts. */
export const KNOWN_HARDWARE: readonly KnownHardware[] = [
  ...VMWARE,
  HYPER_V_1,
  HYPER_V_2,
  VIRTUALBOX,
  XEN_HVM,
  QEMU_I440FX,
  QEMU_Q35,
];

const HOST_BRIDGE = '0600';
/** What QEMU writes into the devices that it imitates, whatever the words of its SMBIOS tables are. */
const QEMU_SUBSYSTEM = '1af4:1100';

/** The known virtual hardware that a machine has; undefined for all other computers. */
export function recogniseHardware(inventory: Inventory): KnownHardware | undefined {
  const fits = (known: KnownHardware): boolean => fitsParts(known, inventory);
  return (
    KNOWN_HARDWARE.find((known) => fitsWords(known, inventory) && fits(known)) ?? byQemuBridge(inventory)
  );
}

function fitsWords({ words, firmware }: KnownHardware, { computer }: Inventory): boolean {
  return (
    firmware.includes(computer.firmware) &&
    Object.entries(words).every(([word, expression]) => expression.test(computer[word as SmbiosWord] ?? ''))
  );
}

/**
 * A machine of an older version cannot have parts of a newer one. Parts that no version knows were passed through from the
 * host and say nothing.
 */
function fitsParts(known: KnownHardware, { devices = [] }: Inventory): boolean {
  const bridges = devices.filter(({ class: word }) => word === HOST_BRIDGE);
  const hasBridge = bridges.length === 0 || bridges.some(({ id }) => known.hostBridges.includes(id));
  if (known.hostBridges.length > 0 && !hasBridge) return false;
  const own = partsOf(known);
  const ofRelatives = KNOWN_HARDWARE.filter(({ id }) => isRelative(id, known.id)).flatMap(partsOf);
  return devices.every(
    ({ bus, id }) => own.includes(`${bus} ${id}`) || !ofRelatives.includes(`${bus} ${id}`),
  );
}

function partsOf({ storage, network }: KnownHardware): readonly string[] {
  return [...storage, ...network].map(({ bus, id }) => `${bus} ${id}`);
}

/** Of one product: "vmware-7" and "vmware-13". */
function isRelative(id: string, other: string): boolean {
  return id.split('-')[0] === other.split('-')[0];
}

function byQemuBridge({ devices = [] }: Inventory): KnownHardware | undefined {
  const bridge = devices.find(
    ({ class: word, subsystem }) => word === HOST_BRIDGE && subsystem === QEMU_SUBSYSTEM,
  );
  return [QEMU_I440FX, QEMU_Q35].find(
    ({ hostBridges }) => bridge !== undefined && hostBridges.includes(bridge.id),
  );
}
