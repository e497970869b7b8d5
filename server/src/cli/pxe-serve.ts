import { once } from 'node:events';
import { BlockList, isIPv4 } from 'node:net';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { formatHostAddress, parseHostAddress } from '@diskferry/protocol/disk-address';
import { UsageError } from '@diskferry/system/errors';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import { openSession } from '@diskferry/system/session';
import { openDatabase, withoutPassword } from '../database/database.ts';
import { EventLog } from '../events/event-log.ts';
import { type BootPolicy, DECISIONS, type Decision } from '../pxe/boot-decision.ts';
import { describeEvent, timed } from '../pxe/boot-log.ts';
import { pxeStateFolder, rulesOfServer } from '../pxe/boot-rules.ts';
import type { DhcpRange } from '../pxe/dnsmasq-settings.ts';
import { SIGNED_GRUB, signedLoader } from '../pxe/loaders.ts';
import { startPxeServer } from '../pxe/pxe-server.ts';
import { policyOf } from '../pxe/rules-policy.ts';
import { readClientSettings } from '../pxe/settings-file.ts';
import { findInterface, type WireInterface } from '../pxe/wire-interface.ts';
import { RegistryBootPolicy } from '../registry/boot-policy.ts';
import { Registry } from '../registry/registry.ts';
import { RefusedError, requireRoot } from '../refused-error.ts';
import { SERVER_PORT } from '../serve/server-port.ts';
import { stateFolder } from '../serve/state-folder.ts';
import { readServerSettings } from '../settings/server-settings.ts';
import { type CliOption, choiceOption, type Invocation, portOption } from './command.ts';
import { print, printNote } from './output.ts';

/** Beside that of `diskferry serve`. */
const HTTP_PORT = 7480;
const BUILT_FILES = join(import.meta.dirname, '../../../dist/pxe');

export const PXE_SERVE_OPTIONS: readonly CliOption[] = [
  { name: 'interface', value: 'IF', help: 'serve: the network interface whose machines are served' },
  { name: 'address', value: 'ADDRESS', help: 'serve: which of its addresses (default: the first)' },
  {
    name: 'unknown',
    value: 'WORD',
    help: `serve: what counts for machines that no rule names: ${DECISIONS.join(', ')} (default ignore)`,
  },
  {
    name: 'registry',
    help: 'serve: no rules; the states of the computers that "diskferry serve" knows decide, and unknown ones boot',
  },
  { name: 'settings', value: 'FILE', help: 'serve: with --registry, the settings of that server' },
  {
    name: 'secure-boot',
    help: 'serve: UEFI machines get signed loaders, which Secure Boot accepts; allow, local, refuse: this one does',
  },
  {
    name: 'dhcp',
    value: 'FROM-TO',
    help: 'serve: hand out these addresses; only where there is no other DHCP server',
  },
  {
    name: 'loading-addresses',
    value: 'FROM-TO',
    help: 'serve: without --dhcp, addresses for machines with Secure Boot while they load; nobody else may have them',
  },
  { name: 'gateway', value: 'ADDRESS', help: 'serve: with --dhcp, the way out of that network' },
  {
    name: 'media',
    value: 'FOLDER',
    help: 'serve: let the computers dial a server, with what "diskferry enrol" wrote there',
  },
  {
    name: 'server',
    value: 'HOST',
    help: `serve: with --media, whom they dial, with :PORT unless ${SERVER_PORT} (default: this host)`,
  },
  {
    name: 'extra-drivers',
    help: 'serve: machines get all storage and network drivers, not the common ones only',
  },
  { name: 'kernel-words', value: 'WORDS', help: 'serve: further words of the kernel command line' },
  { name: 'files', value: 'FOLDER', help: 'serve: where vmlinuz and initrd are (default: dist/pxe)' },
  {
    name: 'http-port',
    value: 'N',
    help: `serve: TCP and UDP port of scripts, kernel and initrd (default ${HTTP_PORT})`,
  },
];

/** Runs the PXE server until it is interrupted. */
export async function runPxeServe(invocation: Invocation): Promise<number> {
  const { values, flags, signal } = invocation;
  requireRoot('a PXE server');
  const name = values.get('interface');
  if (name === undefined)
    throw new UsageError('pxe serve takes --interface IF; "ip -brief address" lists them');
  const wire = await findInterface(name, values.get('address'));
  const dhcp = dhcpOption(invocation, wire);
  const loading = loadingOption(invocation, wire);
  const secureBoot = flags.has('secure-boot');
  await using decider = await deciderOf(invocation, secureBoot);
  const filesFolder = resolve(values.get('files') ?? BUILT_FILES);
  if (secureBoot) requireSignedLoader(filesFolder);
  const logFile = join(pxeStateFolder(), 'log.jsonl');
  await using session = openSession('pxe');
  const server = await startPxeServer({
    session,
    wire,
    dhcp,
    loading,
    filesFolder,
    extraDrivers: flags.has('extra-drivers'),
    client: await clientOption(invocation),
    kernelWords: kernelWordsOption(invocation),
    httpPort: portOption(invocation, 'http-port') ?? HTTP_PORT,
    policy: decider.policy,
    logFile,
    leasesFile: join(pxeStateFolder(), `leases-${wire.name}`),
    onEvent: (event) => print(flags.has('json') ? JSON.stringify(timed(event)) : describeEvent(event)),
    onNote: printNote,
  });
  try {
    printNote(
      `${wire.name} (${wire.address}): ${dhcp === undefined ? 'beside the DHCP server that is there' : `addresses ${dhcp.from} to ${dhcp.to}`}, ${server.httpUrl}`,
    );
    printNote(`${decider.words}; log: ${logFile}`);
    printNote('ready');
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
  }
  return 0;
}

interface Decider extends AsyncDisposable {
  readonly policy: BootPolicy;
  /** Who decides, for the user. */
  readonly words: string;
}

/** @throws {DiskferryError} `DATABASE_FAILED` */
async function deciderOf(invocation: Invocation, secureBoot: boolean): Promise<Decider> {
  const { values, flags } = invocation;
  const asked = choiceOption(invocation, 'unknown', DECISIONS);
  if (!flags.has('registry')) {
    const unknown = asked ?? 'ignore';
    const rules = rulesOfServer();
    return {
      policy: policyOf(rules, unknown, secureBoot),
      words: `machines without a rule: ${UNKNOWN_WORDS[unknown]}; rules: ${rules.path}`,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const unknown = asked ?? 'boot';
  const { database: url } = readServerSettings(values.get('settings'), stateFolder());
  const database = await openDatabase(url);
  const registry = await Registry.open(database, new EventLog(database));
  return {
    policy: new RegistryBootPolicy(registry, { unknown, secureBoot }),
    words: `unknown computers: ${UNKNOWN_WORDS[unknown]}; the others by their states in ${withoutPassword(url)}`,
    [Symbol.asyncDispose]: () => database.destroy(),
  };
}

const UNKNOWN_WORDS: Readonly<Record<Decision, string>> = {
  boot: 'boot the imaging client',
  local: 'start from their own disk',
  refuse: 'are refused',
  ignore: 'get no answer, and start as if this server were not there',
};

/** @throws {RefusedError} `NOT_BUILT` */
function requireSignedLoader(filesFolder: string): void {
  if (signedLoader(filesFolder) !== undefined) return;
  throw new RefusedError(
    'NOT_BUILT',
    `${filesFolder} has no signed loaders (shimx64.efi, ${SIGNED_GRUB}): make them with "npm run build"`,
  );
}

/** @throws {UsageError} */
function dhcpOption(invocation: Invocation, wire: WireInterface): DhcpRange | undefined {
  const range = rangeOption(invocation, 'dhcp', wire);
  const gateway = invocation.values.get('gateway');
  if (gateway === undefined) return range;
  if (range === undefined) throw new UsageError('--gateway belongs to --dhcp FROM-TO');
  requireMember(gateway, wire);
  return { ...range, gateway };
}

/** @throws {UsageError} */
function loadingOption(invocation: Invocation, wire: WireInterface): DhcpRange | undefined {
  const range = rangeOption(invocation, 'loading-addresses', wire);
  if (range !== undefined && invocation.values.has('dhcp')) {
    throw new UsageError(
      '--loading-addresses are for where there is another DHCP server; --dhcp hands out all',
    );
  }
  return range;
}

/** @throws {UsageError} */
function rangeOption({ values }: Invocation, option: string, wire: WireInterface): DhcpRange | undefined {
  const text = values.get(option);
  if (text === undefined) return undefined;
  const [from = '', to = '', ...more] = text.split('-');
  if (more.length > 0 || !isIPv4(from) || !isIPv4(to)) {
    throw new UsageError(`--${option} takes two addresses as 192.168.77.100-192.168.77.200, not "${text}"`);
  }
  for (const address of [from, to]) requireMember(address, wire);
  const range = new BlockList();
  try {
    range.addRange(from, to);
  } catch {
    throw new UsageError(`--${option} ${text} ends before it begins`);
  }
  if (range.check(wire.address)) {
    throw new UsageError(`--${option} ${text} holds ${wire.address}, which is this server's own address`);
  }
  return { from, to };
}

/** @throws {UsageError} */
function requireMember(address: string, wire: WireInterface): void {
  if (wire.contains(address)) return;
  throw new UsageError(`${address} is not in the network of ${wire.name} (${wire.address}, ${wire.netmask})`);
}

/** @throws {UsageError} */
async function clientOption({ values }: Invocation): Promise<MediumSettings | undefined> {
  const media = values.get('media');
  const server = values.get('server');
  if (media === undefined) {
    if (server === undefined) return undefined;
    throw new UsageError('--server needs --media FOLDER with what "diskferry enrol" wrote');
  }
  const address = parseHostAddress(server ?? hostname(), { defaultPort: SERVER_PORT });
  return readClientSettings(resolve(media), formatHostAddress(address));
}

/**
 * They go into a script of iPXE, where a line end begins a command, && and || divide commands, and ${ begins a setting.
 *
 * @throws {UsageError}
 */
function kernelWordsOption({ values }: Invocation): string {
  const words = values.get('kernel-words') ?? '';
  if (/^[\w .,:;=/+@%~-]*$/.test(words)) return words;
  throw new UsageError(
    `--kernel-words takes letters, digits, blanks and any of . , : ; = / + @ % ~ _ -, not "${words}"`,
  );
}
