import { BlockList, isIPv4 } from 'node:net';
import { runJson } from '@diskferry/system/run';
import { RefusedError } from '../refused-error.ts';

const BITS = 32;

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

/** What we read of `ip -json address`. */
interface IpLink {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly addr_info: readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
  }[];
}

/**
 * Finds the interface that the user named.
 *
 * @param wanted one of its addresses; the first by default
 * @throws {RefusedError} `INTERFACE_MISSING`, `INTERFACE_ADDRESS`, `INTERFACE_DOWN`
 */
export async function findInterface(name: string, wanted?: string): Promise<WireInterface> {
  const links = await runJson<IpLink[]>(['ip', '-json', 'address', 'show']);
  const link = links.find(({ ifname }) => ifname === name);
  if (link === undefined || link.flags.includes('LOOPBACK')) {
    const known = links.filter(({ flags }) => !flags.includes('LOOPBACK')).map(({ ifname }) => ifname);
    throw new RefusedError(
      'INTERFACE_MISSING',
      `there is no network interface ${name} with machines; this server has ${known.join(', ') || 'none'}`,
    );
  }
  const addresses = link.addr_info.filter(({ family }) => family === 'inet');
  const found = addresses.find(({ local }) => wanted === undefined || local === wanted);
  if (found === undefined) {
    throw new RefusedError(
      'INTERFACE_ADDRESS',
      wanted === undefined
        ? `${name} has no IPv4 address; try: ip address add 192.168.77.1/24 dev ${name}`
        : `${name} does not have the address ${wanted}; it has ${addresses.map(({ local }) => local).join(', ') || 'none'}`,
    );
  }
  if (!link.flags.includes('UP')) {
    throw new RefusedError('INTERFACE_DOWN', `${name} is down; try: ip link set ${name} up`);
  }
  return wireInterface(name, found.local, found.prefixlen);
}

function wireInterface(name: string, address: string, prefix: number): WireInterface {
  const netmask = addressOf(prefix === 0 ? 0 : 2 ** BITS - 2 ** (BITS - prefix));
  const network = networkOf(address, netmask);
  const members = new BlockList();
  members.addSubnet(network, prefix);
  return { name, address, netmask, network, contains: (other) => isIPv4(other) && members.check(other) };
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}

function networkOf(address: string, netmask: string): string {
  const mask = netmask.split('.').map(Number);
  return address
    .split('.')
    .map((part, index) => Number(part) & (mask[index] ?? 0))
    .join('.');
}
