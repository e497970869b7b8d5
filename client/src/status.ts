import {
  CLIENT_PORT,
  controlPortOf,
  formatDiskAddress,
  formatHostAddress,
} from '@diskferry/protocol/disk-address';
import type { ComputerInfo, DiskInfo, Inventory, NicInfo } from '@diskferry/protocol/inventory';
import { diskTraits } from './disks/disk-description.ts';
import { formatSize } from './disks/disk-size.ts';
import type { DiskActivity } from './server/activity.ts';

/** A text console shows 80 columns; a full line would leave an empty one below it on some. */
const MAX_COLUMNS = 79;
/** With all of them full, the text has 24 of a console's 25 lines. */
const MAX_DISKS = 6;
const MAX_NICS = 4;
const MAX_GRANTS = 2;

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
  | { readonly kind: 'managed'; readonly server: string; readonly state: string };

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
}

/** The screen of the imaging client: at most 79 columns and 24 lines, unless the command to type is a long one. */
export function statusText(state: StatusState): string {
  const { inventory, access, grants } = state;
  const address = reachableAddress(state);
  return [
    `diskferry imaging client ${state.version}`,
    '',
    `Computer: ${describeComputer(inventory)}`,
    'Network:',
    ...shorten(inventory.nics.map(nicLine), MAX_NICS, 'network cards'),
    ...(inventory.nics.length === 0 ? ['  no network card was found'] : []),
    `Disks (${whoMayWrite(access)}):`,
    ...shorten(inventory.disks.map(diskLine), MAX_DISKS, 'disks'),
    ...(inventory.disks.length === 0 ? ['  no disk was found'] : []),
    ...shorten(grants.map(grantLine), MAX_GRANTS, 'jobs that write'),
    '',
    ...accessLines(access),
    ...(access.kind === 'managed' ? [] : whatToType(state, address)),
    address === undefined ? 'no network address yet; waiting for the server' : 'waiting for the server',
    '',
  ]
    .map((line) => cut(line))
    .join('\n');
}

function whoMayWrite(access: AccessStatus): string {
  if (access.kind === 'insecure') return access.writable ? 'ANYBODY may write to them' : 'read-only';
  return 'read-only, unless a job below writes';
}

function grantLine({ disk, job, description }: GrantStatus): string {
  return `  job ${job} WRITES to ${disk}: ${description}`;
}

function accessLines(access: AccessStatus): string[] {
  switch (access.kind) {
    case 'insecure':
      return ['INSECURE: no encryption, and whoever reaches this computer reads its disks'];
    case 'keyed':
      return [
        `Pairing code: ${access.code}`,
        `Fingerprint:  ${access.fingerprint}`,
        `Paired with:  ${pairedNames(access).join(', ') || 'nobody yet'}`,
      ];
    case 'managed':
      return [`Server: ${access.server}`, ...wrap(access.state, '        ')];
  }
}

function pairedNames({ paired, authority }: Extract<AccessStatus, { kind: 'keyed' }>): readonly string[] {
  return authority === undefined ? paired : [`certificates of ${authority}`, ...paired];
}

/** What servers do with the disks: one line a disk that was used, and not only looked at. */
export function activityText(activities: readonly DiskActivity[]): string {
  return activities
    .filter(
      ({ connections, bytesRead, bytesWritten, errors }) =>
        connections + bytesRead + bytesWritten + errors > 0,
    )
    .flatMap((activity) => [cut(useLine(activity)), ...errorLines(activity)])
    .map((line) => `${line}\n`)
    .join('');
}

function useLine({ disk, connections, peers, bytesRead, bytesWritten }: DiskActivity): string {
  return [
    `connected: ${connections}${connections === 0 ? '' : ` from ${peers.join(' and ')}`}`,
    `${disk}: ${formatSize(bytesRead)} read`,
    ...(bytesWritten === 0 ? [] : [`${formatSize(bytesWritten)} written`]),
  ].join(', ');
}

/** Not cut: the reason stands at its end. */
function errorLines({ errors, lastError }: DiskActivity): string[] {
  return errors === 0 ? [] : [`errors: ${errors}, the last: ${lastError}`];
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

function nicLine({ name, mac, linkUp, addresses }: NicInfo): string {
  const missing = linkUp ? 'no address' : 'no link';
  return `  ${name}  ${mac}  ${addresses.length === 0 ? missing : addresses.toSorted(byUse).join('  ')}`;
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

function whatToType(state: StatusState, host: string | undefined): string[] {
  const { inventory, port } = state;
  const disk = inventory.disks.find(({ removable }) => !removable) ?? inventory.disks[0];
  if (host === undefined || disk === undefined) return [];
  const name = disk.name.replace(/^.*\//, '');
  const words = [`diskferry capture ${diskAddress(disk, { host, port })} ${name}.qcow2`, ...options(state)];
  return ['On the server, type:', ...wrapCommand(words)];
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
function wrapCommand(words: readonly string[]): string[] {
  const line = `  ${words.join(' ')}`;
  if (line.length <= MAX_COLUMNS) return [line];
  return words.map((word, index) => `  ${word}${index === words.length - 1 ? '' : ' \\'}`);
}

function diskAddress({ name, transport }: DiskInfo, { host, port }: { host: string; port: number }): string {
  if (transport === 'file') return formatDiskAddress({ transport: 'tcp', host, port, exportName: name });
  const authority = formatHostAddress({ host, port });
  return `/dev/${name}@${port === CLIENT_PORT ? authority.replace(/:\d+$/, '') : authority}`;
}

/** Lines of whole words. */
function wrap(sentence: string, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of sentence.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > MAX_COLUMNS) {
      lines.push(indent + line);
      line = word;
    } else {
      line += line === '' ? word : ` ${word}`;
    }
  }
  return [...lines, indent + line];
}

/** An address under which a server reaches this computer: IPv4 if there is one, never a link-local one. */
function reachableAddress({ host, inventory }: StatusState): string | undefined {
  if (host !== undefined && host !== '0.0.0.0' && host !== '::') return host;
  return inventory.nics
    .flatMap(({ addresses }) => addresses)
    .filter((address) => !/^(fe[89ab][0-9a-f]:|169\.254\.)/i.test(address))
    .toSorted(byUse)[0];
}

function shorten(lines: readonly string[], max: number, what: string): readonly string[] {
  if (lines.length <= max) return lines;
  return [...lines.slice(0, max - 1), `  and ${lines.length - max + 1} more ${what}`];
}

function cut(line: string): string {
  return line.length <= MAX_COLUMNS ? line : `${line.slice(0, MAX_COLUMNS - 3)}...`;
}
