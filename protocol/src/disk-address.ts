import { isIPv6 } from 'node:net';

/** NBD's own port (IANA). */
export const NBD_PORT = 10809;
/** The port on which an imaging client serves its disks. */
export const CLIENT_PORT = 7000;
/** The port of an imaging client's control channel. */
export const CONTROL_PORT = 7001;

const MAX_PORT = 65535;
/** The NBD specification's limit of a string, in bytes of UTF-8. */
const MAX_EXPORT_NAME_BYTES = 4096;

/** Where an NBD export can be reached. */
export type DiskAddress =
  | { readonly transport: 'tcp'; readonly host: string; readonly port: number; readonly exportName: string }
  | { readonly transport: 'unix'; readonly socketPath: string; readonly exportName: string };

/** A machine that runs the imaging client, without naming one of its disks. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

const DISK_ADVICE =
  'write /dev/sda@HOST, /dev/sda@HOST:PORT, nbd://HOST:PORT/EXPORT or nbd+unix:///EXPORT?socket=PATH';
const HOST_ADVICE = 'write HOST or HOST:PORT, and an IPv6 address in brackets, such as [fe80::1]:7000';

/** An address that cannot be understood; `code` is `ADDRESS_INVALID`. */
export class AddressError extends Error {
  readonly code = 'ADDRESS_INVALID';

  constructor(text: string, why: string, kind: 'disk' | 'host' = 'disk') {
    super(`"${text}" is not a ${kind} address: ${why}; ${kind === 'disk' ? DISK_ADVICE : HOST_ADVICE}`);
    this.name = 'AddressError';
  }
}

/** Says what is wrong, to be wrapped into an {@link AddressError} that quotes the whole address. */
type Refuse = (why: string) => AddressError;

/**
 * Understands `/dev/sda@HOST[:PORT]` (also without `/dev/`; port 7000 by default) and the URIs of the NBD
 * specification, doc/uri.md: `nbd://HOST[:PORT]/EXPORT` (port 10809 by default) and `nbd+unix:///EXPORT?socket=PATH`.
 * The export name of `/dev/sda` is `sda`.
 *
 * @throws {AddressError}
 */
export function parseDiskAddress(text: string): DiskAddress {
  const refuse: Refuse = (why) => new AddressError(text, why);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text);
  if (scheme !== null) {
    return parseUri(scheme[1]?.toLowerCase() ?? '', text.slice(scheme[0].length), refuse);
  }
  const at = text.lastIndexOf('@');
  if (at < 0) throw refuse('it has no @');
  const exportName = checkExportName(text.slice(0, at).replace(/^\/dev\//, ''), refuse);
  if (exportName === '') throw refuse('it names no disk before the @');
  return { transport: 'tcp', ...parseHostAndPort(text.slice(at + 1), CLIENT_PORT, refuse), exportName };
}

/** An address as a URI, which diskferry and other NBD programs understand. */
export function formatDiskAddress(address: DiskAddress): string {
  const name = encodeURIComponent(address.exportName).replaceAll('%2F', '/');
  if (address.transport === 'unix') {
    return `nbd+unix:///${name}?socket=${encodeURIComponent(address.socketPath).replaceAll('%2F', '/')}`;
  }
  return `nbd://${formatHost(address.host)}:${address.port}/${name}`;
}

/**
 * Understands HOST and HOST:PORT.
 *
 * @throws {AddressError}
 */
export function parseHostAddress(text: string, { defaultPort = CLIENT_PORT } = {}): HostAddress {
  return parseHostAndPort(text, defaultPort, (why) => new AddressError(text, why, 'host'));
}

/** HOST:PORT, with an IPv6 address in brackets. */
export function formatHostAddress({ host, port }: HostAddress): string {
  return `${formatHost(host)}:${port}`;
}

/** The port of a control channel, unless it is told: the one after that of the disks; 0, any free one, for 0. */
export function controlPortOf(diskPort: number): number {
  return diskPort === 0 || diskPort === MAX_PORT ? 0 : diskPort + CONTROL_PORT - CLIENT_PORT;
}

function formatHost(host: string): string {
  return isIPv6(host) ? `[${host.replace('%', '%25')}]` : host;
}

function parseUri(scheme: string, rest: string, refuse: Refuse): DiskAddress {
  const [beforeQuery, query] = splitOnce(rest, '?');
  const [authority, path = ''] = splitOnce(beforeQuery, '/');
  const exportName = checkExportName(decode(path, refuse), refuse);
  const parameters = parseQuery(query ?? '', refuse);
  if (scheme === 'nbd') {
    if (authority.includes('@')) throw refuse('a user name has no meaning without TLS');
    const [unknown] = parameters.keys();
    if (unknown !== undefined) throw refuse(`the parameter ${unknown} is not known with nbd://`);
    return { transport: 'tcp', ...parseHostAndPort(authority, NBD_PORT, refuse), exportName };
  }
  if (scheme === 'nbd+unix') {
    if (authority !== '') throw refuse('a unix socket has no host: three slashes follow the colon');
    const socketPath = parameters.get('socket');
    if (socketPath === undefined || socketPath === '') throw refuse('it has no ?socket=PATH');
    return { transport: 'unix', socketPath, exportName };
  }
  if (scheme === 'nbds' || scheme === 'nbds+unix') {
    throw refuse(
      'write nbd:// or nbd+unix://; TLS is used with all of them but unix sockets, unless --insecure is given',
    );
  }
  throw refuse(`${scheme}:// is not a scheme of NBD`);
}

function parseQuery(query: string, refuse: Refuse): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split('&').filter((part) => part !== '')) {
    const [key, value = ''] = splitOnce(part, '=');
    parameters.set(decode(key, refuse), decode(value, refuse));
  }
  return parameters;
}

function parseHostAndPort(text: string, defaultPort: number, refuse: Refuse): HostAddress {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) {
    // RFC 6874 writes the % before a zone as %25.
    const host = (bracketed[1] ?? '').replace('%25', '%');
    if (!isIPv6(host)) throw refuse(`"${host}" is not an IPv6 address`);
    return { host, port: parsePort(bracketed[2], defaultPort, refuse) };
  }
  const parts = text.split(':');
  if (parts.length > 2) throw refuse('an IPv6 address stands in brackets');
  const [host = '', port] = parts;
  if (host === '') throw refuse('it names no host');
  if (!/^[\p{L}\p{N}._-]+$/u.test(host)) throw refuse(`"${host}" is not a host name`);
  return { host, port: parsePort(port, defaultPort, refuse) };
}

function parsePort(text: string | undefined, defaultPort: number, refuse: Refuse): number {
  if (text === undefined) return defaultPort;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > MAX_PORT) throw refuse(`the port "${text}" is not a number from 1 to ${MAX_PORT}`);
  return port;
}

function checkExportName(name: string, refuse: Refuse): string {
  if (name.includes('\0')) throw refuse('the export name holds a NUL character');
  if (Buffer.byteLength(name) > MAX_EXPORT_NAME_BYTES) {
    throw refuse(`the export name is longer than ${MAX_EXPORT_NAME_BYTES} bytes`);
  }
  return name;
}

function decode(text: string, refuse: Refuse): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse(`"${text}" is not percent-encoded UTF-8`);
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}
