import { existsSync } from 'node:fs';
import { BlockList, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { RefusedError } from '../refused-error.ts';

/** The network card whose machines are served. */
export interface WireInterface {
  readonly name: string;
  /** This server's address there. */
  readonly address: string;
  readonly netmask: string;
  /** The first address of its network, as dnsmasq wants it. */
  readonly network: string;
  /** Whether an address belongs to that network. */
  readonly contains: (address: string) => boolean;
}

/**
 * Finds the interface that the user named.
 *
 * @param wanted one of its addresses; the first by default
 * @throws {RefusedError} `INTERFACE_MISSING`, `INTERFACE_ADDRESS`
 */
export function findInterface(name: string, wanted?: string): WireInterface {
  // A name is part of a path below and of dnsmasq's settings.
  if (!/^[\w.@-]+$/.test(name) || !existsSync(`/sys/class/net/${name}`)) {
    const known = Object.keys(networkInterfaces()).filter((other) => other !== 'lo');
    throw new RefusedError(
      'INTERFACE_MISSING',
      `there is no network interface ${name}; this server has ${known.join(', ') || 'none with an address'}`,
    );
  }
  const addresses = (networkInterfaces()[name] ?? []).filter(({ family }) => family === 'IPv4');
  const found = addresses.find(({ address }) => wanted === undefined || address === wanted);
  if (found === undefined) {
    throw new RefusedError(
      'INTERFACE_ADDRESS',
      wanted === undefined
        ? `${name} has no IPv4 address, or is down; try: ip link set ${name} up; ip address add 192.168.77.1/24 dev ${name}`
        : `${name} does not have the address ${wanted}; it has ${addresses.map(({ address }) => address).join(', ') || 'none'}`,
    );
  }
  const { address, netmask } = found;
  const network = networkOf(address, netmask);
  const members = new BlockList();
  members.addSubnet(network, prefixOf(netmask));
  return { name, address, netmask, network, contains: (other) => isIPv4(other) && members.check(other) };
}

function networkOf(address: string, netmask: string): string {
  const mask = netmask.split('.').map(Number);
  return address
    .split('.')
    .map((part, index) => Number(part) & (mask[index] ?? 0))
    .join('.');
}

function prefixOf(netmask: string): number {
  const bits = netmask.split('.').map((part) => Number(part).toString(2));
  return bits.join('').replaceAll('0', '').length;
}
