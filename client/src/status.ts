import {
  CLIENT_PORT,
  controlPortOf,
  formatDiskAddress,
  formatHostAddress,
} from '@diskferry/protocol/disk-address';
import type { ComputerInfo, DiskInfo, Inventory, NicInfo } from '@diskferry/protocol/inventory';
import { diskTraits } from './disks/disk-description.ts';
import { formatSize } from './disks/disk-size.ts';
import type { Controller } from './console/missing-hardware.ts';
import type { NetworkState } from './console/network-state.ts';
import { activityLines, type MeasuredActivity } from './status-activity.ts';
import { cut, shorten, wrap } from './status-lines.ts';
import { type Problem, problemsOf } from './status-problems.ts';

/** A text console shows 80 columns and 25 lines; a full line would leave an empty one below it on some. */
const DEFAULT_SIZE = { columns: 79, rows: 24 } as const;
const MAX_DISKS = 6;
const MAX_NICS = 4;
const MAX_GRANTS = 2;
/** Of disks and cards, however small the screen is: the first and how many more. */
const MIN_SHOWN = 2;
/** A card may have a dozen IPv6 addresses. */
const MAX_ADDRESSES = 2;

/** Who may do what, for people. */
export type AccessStatus =
  /** Everybody may read, in plain text, and write if `writable`. */
  | { readonly kind: 'insecure'; readonly writable: boolean }
  /** Who has paired may read. */
  | {
      readonly kind: 'keyed';
      readonly code: string;
      readonly fingerprint: string;
      /** Addresses of the servers that have paired. */
      readonly paired: readonly string[];
      /** Whose certificates are let in, too. */
      readonly authority?: string | undefined;
    }
  /** The server that the boot medium names may read. */
  | {
      readonly kind: 'managed';
      readonly server: string;
      readonly isConnected: boolean;
      /** Why it is not, in a sentence; undefined while the first attempt lasts. */
      readonly trouble?: string | undefined;
      /** Until the next attempt; undefined while one is made. */
      readonly nextTryInSeconds?: number | undefined;
    };

/** The right to write to a disk, for people. */
export interface GrantStatus {
  readonly disk: string;
  readonly job: string;
  readonly description: string;
}

/** What a person in front of the computer wants to know. */
export interface StatusState {
  readonly version: string;
  readonly inventory: Inventory;
  /** Port of the disks. */
  readonly port: number;
  readonly controlPort: number;
  /** The address listened on, where it is one only. */
  readonly host: string | undefined;
  readonly access: AccessStatus;
  readonly grants: readonly GrantStatus[];
  /** As the scripts of the secondary OS tell. */
  readonly network: readonly NetworkState[];
  readonly controllers: readonly Controller[];
  /** Seconds since the kernel was started. */
  readonly uptime: number;
}

export interface StatusOptions {
  /** The most that a line may have. */
  readonly columns?: number;
  /** What the lists of disks and cards are shortened for. */
  readonly rows?: number;
  /** What can be done at this screen, such as "R reboot"; undefined where there is no keyboard. */
  readonly keys?: readonly string[] | undefined;
  /** What servers do now, if it shall stand on the page. */
  readonly activity?: readonly MeasuredActivity[];
  /** Leaves out times that run on, so that two texts differ only if something has happened. */
  readonly isSteady?: boolean;
}

/** The screen of the imaging client. */
export function statusText(state: StatusState, options: StatusOptions = {}): string {
  const { columns, rows } = { ...DEFAULT_SIZE, ...options };
  const limits = { nics: MAX_NICS, disks: Math.max(MAX_DISKS, rows - DEFAULT_SIZE.rows + MAX_DISKS) };
  let lines = statusLines(state, { ...options, columns }, limits);
  while (lines.length > rows && limits.nics + limits.disks > 2 * MIN_SHOWN) {
    if (limits.disks > MIN_SHOWN) limits.disks--;
    else limits.nics--;
    lines = statusLines(state, { ...options, columns }, limits);
  }
  return `${lines.join('\n')}\n`;
}

interface Limits {
  readonly nics: number;
  readonly disks: number;
}

function statusLines(
  state: StatusState,
  { columns, keys, activity = [], isSteady = false }: StatusOptions & { readonly columns: number },
  limits: Limits,
): string[] {
  const { inventory, access, grants } = state;
  const address = reachableAddress(state);
  const seconds = (count: number): string => (isSteady ? '... s' : `${Math.ceil(count)} s`);
  const problems = problemsOf(state, address, { hasKeys: keys !== undefined, seconds });
  const cutLine = (line: string): string => cut(line, columns);
  const wrapLine = (line: string): string[] => wrap(line, { columns, rest: '  ' });
  const nics = inventory.nics.map((nic) => nicLines(nic, state, columns));
  const disks = inventory.disks.map((disk) => [cutLine(diskLine(disk))]);
  return [
    cutLine(`diskferry imaging client ${state.version}`),
    ...wrapLine(`State: ${headline(state, { address, problems, activity })}`),
    cutLine(`Computer: ${describeComputer(inventory)}`),
    'Network:',
    ...shorten(nics, limits.nics, 'network cards'),
    ...(nics.length === 0 ? ['  no network card was found'] : []),
    cutLine(`Disks (${whoMayWrite(access)}):`),
    ...shorten(disks, limits.disks, 'disks'),
    ...(disks.length === 0 ? ['  no disk was found'] : []),
    ...shorten(
      grants.map((grant) => [cutLine(grantLine(grant))]),
      MAX_GRANTS,
      'jobs that write',
    ),
    ...activityLines(activity, { columns, disks: inventory.disks }),
    '',
    ...problems.flatMap(({ text }) => (text === '' ? [] : wrap(text, { columns, first: '! ', rest: '  ' }))),
    ...accessLines(access, columns, (count) => (isSteady ? 'next try soon' : nextTry(count))),
    ...(access.kind === 'managed' ? [] : whatToType(state, address, columns)),
    ...wrapLine(
      address === undefined ? 'no network address yet; waiting for the server' : 'waiting for the server',
    ),
    ...(keys === undefined ? [] : keyLines(keys, columns)),
  ];
}

/** A key and its word stay together. */
function keyLines(keys: readonly string[], columns: number): string[] {
  const bound = keys.map((key) => key.replaceAll(' ', '\u00a0'));
  const lines = wrap(`Keys: ${bound.join(', ')}`, { columns, rest: '      ' });
  return lines.map((line) => line.replaceAll('\u00a0', ' '));
}

/** In a few words, what the computer does. */
function headline(
  { access }: StatusState,
  {
    address,
    problems,
    activity,
  }: {
    address: string | undefined;
    problems: readonly Problem[];
    activity: readonly MeasuredActivity[];
  },
): string {
  const moving = activity.find(({ connections, bytesPerSecond }) => connections > 0 && bytesPerSecond > 0);
  if (moving !== undefined) return `transferring with ${moving.peers.join(' and ')}`;
  if (problems.length > 0) return `error: ${problems.map(({ title }) => title).join('; ')}`;
  if (address === undefined) return 'waiting for a network address';
  switch (access.kind) {
    case 'insecure':
      return 'standby, open to everybody';
    case 'keyed':
      return `standby, ${pairedWith(access.paired)}`;
    case 'managed':
      return access.isConnected ? `standby, connected with ${access.server}` : `dialling ${access.server}`;
  }
}

function pairedWith([first, ...others]: readonly string[]): string {
  if (first === undefined) return 'not paired yet';
  return `paired with ${first}${others.length === 0 ? '' : ` and ${others.length} more`}`;
}

function whoMayWrite(access: AccessStatus): string {
  if (access.kind === 'insecure') return access.writable ? 'ANYBODY may write to them' : 'read-only';
  return 'read-only, unless a job below writes';
}

function grantLine({ disk, job, description }: GrantStatus): string {
  return `  job ${job} WRITES to ${disk}: ${description}`;
}

function accessLines(
  access: AccessStatus,
  columns: number,
  tellNextTry: (seconds: number | undefined) => string,
): string[] {
  const lines = (text: string, rest: string): string[] => wrap(text, { columns, rest });
  switch (access.kind) {
    case 'insecure':
      return lines('INSECURE: no encryption, and whoever reaches this computer reads its disks', '  ');
    case 'keyed':
      return [
        `Pairing code: ${access.code}`,
        ...lines(`Fingerprint:  ${access.fingerprint}`, '  '),
        cut(`Paired with:  ${pairedNames(access).join(', ') || 'nobody yet'}`, columns),
      ];
    case 'managed':
      return [
        ...lines(`Server: ${access.server}`, '  '),
        ...wrap(managedState(access, tellNextTry), { columns, first: '        ', rest: '        ' }),
      ];
  }
}

function managedState(
  { isConnected, trouble, nextTryInSeconds }: Extract<AccessStatus, { kind: 'managed' }>,
  tellNextTry: (seconds: number | undefined) => string,
): string {
  if (isConnected) return 'connected';
  if (trouble === undefined) return 'dialling';
  return `${trouble}; ${tellNextTry(nextTryInSeconds)}`;
}

function nextTry(seconds: number | undefined): string {
  return seconds === undefined ? 'trying again now' : `next try in ${Math.ceil(seconds)} s`;
}

function pairedNames({ paired, authority }: Extract<AccessStatus, { kind: 'keyed' }>): readonly string[] {
  return authority === undefined ? paired : [`certificates of ${authority}`, ...paired];
}

function describeComputer({ computer, memoryBytes }: Inventory): string {
  const name = computerName(computer);
  return [
    name === '' ? 'unknown make' : name,
    ...(computer.serial === undefined ? [] : [`serial ${computer.serial}`]),
    `${formatSize(memoryBytes)} memory`,
    computer.firmware.toUpperCase(),
  ].join(', ');
}

function computerName({ manufacturer, product }: ComputerInfo): string {
  return [manufacturer, product].filter((word) => word !== undefined).join(' ');
}

function nicLines(nic: NicInfo, { network }: StatusState, columns: number): string[] {
  const { name, mac, linkUp, addresses } = nic;
  const state = network.find(({ adapter }) => adapter === name);
  const reachable = addresses.filter(isReachable);
  const words = [
    name,
    mac,
    linkUp ? 'link up' : 'no link',
    ...(linkUp && reachable.length === 0 ? [addressState(state)] : []),
    ...(reachable.length === 0 ? addresses : reachable).toSorted(byUse).slice(0, MAX_ADDRESSES),
    ...(/vlan \d+$/.exec(state?.words ?? '') ?? []),
  ];
  // Two blanks between words that belong together, which wrap() would break at.
  const line = `  ${words.join('  ')}`;
  return line.length <= columns ? [line] : wrap(words.join(' '), { columns, first: '  ', rest: '    ' });
}

function addressState(state: NetworkState | undefined): string {
  switch (state?.word) {
    case 'asking':
      return 'asking for an address';
    case 'no-answer':
      return 'no DHCP answer';
    case 'failed':
    case 'off':
    case 'bound':
    case 'static':
    case undefined:
      return 'no address';
  }
}

/** IPv4 first: it is what people type. */
function byUse(a: string, b: string): number {
  return Number(a.includes(':')) - Number(b.includes(':'));
}

function diskLine(disk: DiskInfo): string {
  const facts = [
    ...(disk.model === undefined ? [] : [disk.model]),
    ...diskTraits(disk),
    ...(disk.serial === undefined ? [] : [`serial ${disk.serial}`]),
  ];
  return `  ${disk.name.padEnd(8)} ${formatSize(disk.size).padStart(9)}  ${facts.join(', ')}`;
}

function whatToType(state: StatusState, host: string | undefined, columns: number): string[] {
  const { inventory, port } = state;
  const disk = inventory.disks.find(({ removable }) => !removable) ?? inventory.disks[0];
  if (host === undefined || disk === undefined) return [];
  const name = disk.name.replace(/^.*\//, '');
  const words = [`diskferry capture ${diskAddress(disk, { host, port })} ${name}.qcow2`, ...options(state)];
  return ['On the server, type:', ...wrapCommand(words, columns)];
}

/** What the command needs beside address and image. */
function options({ access, port, controlPort }: StatusState): string[] {
  return [
    ...(access.kind === 'insecure' ? ['--insecure'] : []),
    ...(access.kind === 'keyed' ? [`--pair ${access.code}`] : []),
    ...(controlPort === controlPortOf(port) ? [] : [`--control-port ${controlPort}`]),
  ];
}

/** In one line if it fits, else as a shell takes it. */
function wrapCommand(words: readonly string[], columns: number): string[] {
  const line = `  ${words.join(' ')}`;
  if (line.length <= columns) return [line];
  const continued = ' \\'.length;
  const isNarrow = words.some((word) => 2 + word.length + continued > columns);
  const parts = isNarrow ? wrap(words.join(' '), { columns: columns - 2 - continued }) : words;
  return parts.map((part, index) => `  ${part}${index === parts.length - 1 ? '' : ' \\'}`);
}

function diskAddress({ name, transport }: DiskInfo, { host, port }: { host: string; port: number }): string {
  if (transport === 'file') return formatDiskAddress({ transport: 'tcp', host, port, exportName: name });
  const authority = formatHostAddress({ host, port });
  return `/dev/${name}@${port === CLIENT_PORT ? authority.replace(/:\d+$/, '') : authority}`;
}

/** Not one that only the next computer understands. */
function isReachable(address: string): boolean {
  return !/^(fe[89ab][0-9a-f]:|169\.254\.)/i.test(address);
}

/** An address under which a server reaches this computer: IPv4 if there is one, never a link-local one. */
function reachableAddress({ host, inventory }: StatusState): string | undefined {
  if (host !== undefined && host !== '0.0.0.0' && host !== '::') return host;
  return inventory.nics
    .flatMap(({ addresses }) => addresses)
    .filter(isReachable)
    .toSorted(byUse)[0];
}
