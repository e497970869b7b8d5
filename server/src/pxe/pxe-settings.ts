import { BlockList, isIPv4 } from 'node:net';
import { join } from 'node:path';
import { formatHostAddress, parseHostAddress } from '@diskferry/protocol/disk-address';
import { UsageError } from '@diskferry/system/errors';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import { type Static, Type } from 'typebox';
import { RefusedError } from '../refused-error.ts';
import { SERVER_PORT } from '../serve/server-port.ts';
import { DECISIONS } from './boot-decision.ts';
import type { DhcpRange } from './dnsmasq-settings.ts';
import { SIGNED_GRUB, signedLoader } from './loaders.ts';
import type { PxeServerOptions } from './pxe-server.ts';
import { readClientSettings } from './settings-file.ts';
import { findInterface, type WireInterface } from './wire-interface.ts';

/** Beside that of `diskferry serve`. */
export const PXE_HTTP_PORT = 7480;
const MAX_PORT = 65_535;
const BUILT_FILES = join(import.meta.dirname, '../../../dist/pxe');

const WORD = Type.Optional(Type.String({ minLength: 1 }));
const FOLDER = Type.Optional(Type.String({ pattern: '^/' }));
const FLAG = Type.Optional(Type.Boolean());

/**
 * What an administrator says of a PXE server. The names are those of the options of `diskferry pxe serve`, and of the section
 * `[pxe]` in the settings of `diskferry serve`.
 */
export const PXE_SETTINGS = Type.Object(
  {
    interface: WORD,
    address: WORD,
    unknown: Type.Optional(Type.Enum(DECISIONS)),
    'secure-boot': FLAG,
    dhcp: WORD,
    'loading-addresses': WORD,
    gateway: WORD,
    media: FOLDER,
    server: WORD,
    'extra-drivers': FLAG,
    'kernel-words': Type.Optional(Type.String()),
    files: FOLDER,
    'http-port': Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PORT })),
  },
  { additionalProperties: false },
);
export type PxeSettings = Static<typeof PXE_SETTINGS>;

/** What follows from the settings. */
export type PxeSetup = Pick<
  PxeServerOptions,
  'wire' | 'dhcp' | 'loading' | 'filesFolder' | 'extraDrivers' | 'client' | 'kernelWords' | 'httpPort'
>;

/**
 * Checks settings against each other and against the network.
 *
 * @param defaultServer whom managed clients dial if the settings do not say so, with :PORT unless it is the usual one
 * @throws {UsageError} for what cannot be used
 * @throws {RefusedError} `INTERFACE_MISSING`, `INTERFACE_ADDRESS`, `INTERFACE_DOWN`, `NOT_BUILT`
 * @throws {DiskferryError} `MEDIUM_SETTINGS`
 */
export async function pxeSetup(
  settings: PxeSettings & { readonly interface: string },
  defaultServer: (wire: WireInterface) => string,
): Promise<PxeSetup> {
  const wire = await findInterface(settings.interface, settings.address);
  const dhcp = dhcpOf(settings, wire);
  const loading = loadingOf(settings, wire);
  const filesFolder = settings.files ?? BUILT_FILES;
  if (settings['secure-boot'] === true) requireSignedLoader(filesFolder);
  return {
    wire,
    dhcp,
    loading,
    filesFolder,
    extraDrivers: settings['extra-drivers'] === true,
    client: await clientOf(settings, () => defaultServer(wire)),
    kernelWords: kernelWordsOf(settings),
    httpPort: settings['http-port'] ?? PXE_HTTP_PORT,
  };
}

/** How machines of an interface get their addresses, for the user. */
export function describeSetup({ wire, dhcp }: PxeSetup): string {
  const addresses =
    dhcp === undefined ? 'beside the DHCP server that is there' : `addresses ${dhcp.from} to ${dhcp.to}`;
  return `${wire.name} (${wire.address}): ${addresses}`;
}

/** @throws {RefusedError} `NOT_BUILT` */
function requireSignedLoader(filesFolder: string): void {
  if (signedLoader(filesFolder) !== undefined) return;
  throw new RefusedError(
    'NOT_BUILT',
    `${filesFolder} has no signed loaders (shimx64.efi, ${SIGNED_GRUB}): make them with "npm run build"`,
  );
}

/** @throws {UsageError} */
function dhcpOf(settings: PxeSettings, wire: WireInterface): DhcpRange | undefined {
  const range = rangeOf(settings, 'dhcp', wire);
  const { gateway } = settings;
  if (gateway === undefined) return range;
  if (range === undefined) throw new UsageError('--gateway belongs to --dhcp FROM-TO');
  requireMember(gateway, wire);
  return { ...range, gateway };
}

/** @throws {UsageError} */
function loadingOf(settings: PxeSettings, wire: WireInterface): DhcpRange | undefined {
  const range = rangeOf(settings, 'loading-addresses', wire);
  if (range !== undefined && settings.dhcp !== undefined) {
    throw new UsageError(
      '--loading-addresses are for where there is another DHCP server; --dhcp hands out all',
    );
  }
  return range;
}

/** @throws {UsageError} */
function rangeOf(
  settings: PxeSettings,
  name: 'dhcp' | 'loading-addresses',
  wire: WireInterface,
): DhcpRange | undefined {
  const text = settings[name];
  if (text === undefined) return undefined;
  const [from = '', to = '', ...more] = text.split('-');
  if (more.length > 0 || !isIPv4(from) || !isIPv4(to)) {
    throw new UsageError(`--${name} takes two addresses as 192.168.77.100-192.168.77.200, not "${text}"`);
  }
  for (const address of [from, to]) requireMember(address, wire);
  const range = new BlockList();
  try {
    range.addRange(from, to);
  } catch {
    throw new UsageError(`--${name} ${text} ends before it begins`);
  }
  if (range.check(wire.address)) {
    throw new UsageError(`--${name} ${text} holds ${wire.address}, which is this server's own address`);
  }
  return { from, to };
}

/** @throws {UsageError} */
function requireMember(address: string, wire: WireInterface): void {
  if (wire.contains(address)) return;
  throw new UsageError(`${address} is not in the network of ${wire.name} (${wire.address}, ${wire.netmask})`);
}

/** @throws {UsageError} */
async function clientOf(
  { media, server }: PxeSettings,
  defaultServer: () => string,
): Promise<MediumSettings | undefined> {
  if (media === undefined) {
    if (server === undefined) return undefined;
    throw new UsageError('--server needs --media FOLDER with what "diskferry enrol" wrote');
  }
  const address = parseHostAddress(server ?? defaultServer(), { defaultPort: SERVER_PORT });
  return readClientSettings(media, formatHostAddress(address));
}

/**
 * They go into a script of iPXE, where a line end begins a command, && and || divide commands, and ${ begins a setting.
 *
 * @throws {UsageError}
 */
function kernelWordsOf({ 'kernel-words': words = '' }: PxeSettings): string {
  if (/^[\w .,:;=/+@%~-]*$/.test(words)) return words;
  throw new UsageError(
    `--kernel-words takes letters, digits, blanks and any of . , : ; = / + @ % ~ _ -, not "${words}"`,
  );
}
