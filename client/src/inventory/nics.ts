import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { basename } from 'node:path';
import type { NicInfo } from '@diskferry/protocol/inventory';
import { listFolder, readAttribute, readNumber, resolveLink } from '../sysfs.ts';

export type InterfaceAddresses = ReturnType<typeof networkInterfaces>;

/** ARPHRD_ETHER of the kernel's if_arp.h, which is also the type of wireless cards. */
const ETHERNET = 1;
/** Of the attribute `removable` of a device, which Thunderbolt and hot-plug ports give to what is behind them. */
const REMOVABLE = 'removable';
const UNKNOWN_PLACE = 'unknown';

/** The network cards of the computer: those behind which hardware stands, not bridges, tunnels or the loopback. */
export function readNics(sysRoot = '/sys', interfaces: InterfaceAddresses = networkInterfaces()): NicInfo[] {
  return listFolder(`${sysRoot}/class/net`)
    .filter((name) => isNic(`${sysRoot}/class/net/${name}`))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => describeNic(`${sysRoot}/class/net/${name}`, name, interfaces));
}

function isNic(folder: string): boolean {
  return existsSync(`${folder}/device`) && readNumber(folder, 'type') === ETHERNET;
}

function describeNic(folder: string, name: string, interfaces: InterfaceAddresses): NicInfo {
  const driver = resolveLink(`${folder}/device/driver`);
  const bus = resolveLink(`${folder}/device/subsystem`);
  const place = readAttribute(`${folder}/device`, 'removable');
  // A card that is down gives EINVAL, one without a known speed -1.
  const speedMbps = readNumber(folder, 'speed') ?? -1;
  return {
    name,
    mac: readAttribute(folder, 'address') ?? '',
    ...(driver === undefined ? {} : { driver: basename(driver) }),
    ...(bus === undefined ? {} : { bus: basename(bus) }),
    ...(place === undefined || place === UNKNOWN_PLACE ? {} : { removable: place === REMOVABLE }),
    linkUp: readNumber(folder, 'carrier') === 1,
    ...(speedMbps > 0 ? { speedMbps } : {}),
    // A VLAN is called CARD.NUMBER here, and its addresses are those of the card to everybody else.
    addresses: Object.entries(interfaces)
      .filter(([other]) => other === name || other.startsWith(`${name}.`))
      .flatMap(([, addresses = []]) => addresses.map(({ address }) => address)),
  };
}
