import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { AnswerError } from './question.ts';

/** The folder that boot-image/rootfs/usr/lib/diskferry/network-settings.sh reads, below the root. */
const SETTINGS_FOLDER = 'run/diskferry/network-settings';
const MAX_PREFIX = 30;
/** IEEE 802.1Q keeps 0 and 4095 for itself. */
const MAX_VLAN = 4094;
const MAX_NAME_SERVERS = 3;

/** An IPv4 address with the length of its network's prefix. */
export interface AddressInNetwork {
  readonly address: string;
  readonly prefix: number;
}

/** How a network card gets its address. */
export type NetworkSettings = {
  /** Of the card. */
  readonly adapter: string;
  /** The number of the VLAN, where the address is in one. */
  readonly vlan: number | undefined;
} & ({ readonly method: 'dhcp' } | ({ readonly method: 'static' } & StaticSettings));

export interface StaticSettings {
  readonly address: AddressInNetwork;
  readonly gateway: string | undefined;
  readonly nameServers: readonly string[];
}

/**
 * ADDRESS/PREFIX, or ADDRESS/NETMASK.
 *
 * @throws {AnswerError}
 */
export function readAddress(text: string): AddressInNetwork {
  const [address = '', length, ...rest] = text.split('/');
  if (address.includes(':')) {
    throw new AnswerError(
      'that is an IPv6 address; they come by themselves, give one such as 192.168.0.5/24',
    );
  }
  if (!isIPv4(address)) throw new AnswerError(`"${address}" is not an address such as 192.168.0.5`);
  if (length === undefined || rest.length > 0) {
    throw new AnswerError('the length of the network is missing: write it such as 192.168.0.5/24');
  }
  const prefix = readPrefix(length);
  const value = { address, prefix };
  refuseSpecial(value);
  return value;
}

function readPrefix(text: string): number {
  const prefix = isIPv4(text) ? prefixOfMask(text) : /^\d{1,2}$/.test(text) ? Number(text) : undefined;
  if (prefix === undefined || prefix < 1 || prefix > MAX_PREFIX) {
    throw new AnswerError(
      `"/${text}" is no length of a network: /24 is usual, /1 to /${MAX_PREFIX} are possible`,
    );
  }
  return prefix;
}

/** Undefined where the ones do not stand at its beginning. */
function prefixOfMask(mask: string): number | undefined {
  const bits = numberOf(mask).toString(2).padStart(32, '0');
  return /^1*0*$/.test(bits) ? bits.replaceAll('0', '').length : undefined;
}

function refuseSpecial({ address, prefix }: AddressInNetwork): void {
  const hosts = 2 ** (32 - prefix);
  const host = numberOf(address) % hosts;
  const first = numberOf(address) >>> 24;
  if (first === 0 || first === 127 || first >= 224) {
    throw new AnswerError(`${address} is no address of a computer in a network`);
  }
  if (host === 0) throw new AnswerError(`${address}/${prefix} is the network itself, not a computer in it`);
  if (host === hosts - 1) throw new AnswerError(`${address}/${prefix} is the network's broadcast address`);
}

/**
 * The gateway of a network; empty or "-" for none.
 *
 * @throws {AnswerError}
 */
export function readGateway(text: string, network: AddressInNetwork): string | undefined {
  if (isNothing(text)) return undefined;
  if (!isIPv4(text)) throw new AnswerError(`"${text}" is not an address such as 192.168.0.1`);
  const hosts = 2 ** (32 - network.prefix);
  const isInside = Math.floor(numberOf(text) / hosts) === Math.floor(numberOf(network.address) / hosts);
  if (!isInside) {
    throw new AnswerError(
      `${text} is outside of ${network.address}/${network.prefix}: nothing could reach it`,
    );
  }
  if (text === network.address) throw new AnswerError(`${text} is this computer itself`);
  refuseSpecial({ address: text, prefix: network.prefix });
  return text;
}

/**
 * Addresses with commas or blanks between; empty or "-" for none.
 *
 * @throws {AnswerError}
 */
export function readNameServers(text: string): readonly string[] {
  if (isNothing(text)) return [];
  const servers = text.split(/[\s,]+/).filter((server) => server !== '');
  const wrong = servers.find((server) => !isIPv4(server));
  if (wrong !== undefined) throw new AnswerError(`"${wrong}" is not an address such as 192.168.0.1`);
  if (servers.length > MAX_NAME_SERVERS) {
    throw new AnswerError(`${servers.length} are too many: only ${MAX_NAME_SERVERS} are ever asked`);
  }
  return servers;
}

/**
 * A VLAN's number; empty or "-" for none.
 *
 * @throws {AnswerError}
 */
export function readVlan(text: string): number | undefined {
  if (isNothing(text)) return undefined;
  const vlan = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (vlan < 1 || vlan > MAX_VLAN) {
    throw new AnswerError(`"${text}" is not the number of a VLAN, 1 to ${MAX_VLAN}, or - for none`);
  }
  return vlan;
}

function isNothing(text: string): boolean {
  return text === '' || text === '-';
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

/** The line that the scripts read. */
export function formatNetworkSettings(settings: NetworkSettings): string {
  const vlan = settings.vlan ?? '-';
  if (settings.method === 'dhcp') return `dhcp - - - ${vlan}`;
  const { address, gateway, nameServers } = settings;
  return `static ${address.address}/${address.prefix} ${gateway ?? '-'} ${nameServers.join(',') || '-'} ${vlan}`;
}

/** Hands the settings to the scripts, which put them into force within seconds and keep them. */
export function writeNetworkSettings(settings: NetworkSettings, root = '/'): void {
  const folder = join(root, SETTINGS_FOLDER);
  mkdirSync(folder, { recursive: true });
  const hidden = join(folder, `.${settings.adapter}`);
  writeFileSync(hidden, `${formatNetworkSettings(settings)}\n`);
  // In one step, so that nobody reads half a line.
  renameSync(hidden, join(folder, settings.adapter));
}
