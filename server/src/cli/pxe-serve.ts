import { once } from 'node:events';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { UsageError } from '@diskferry/system/errors';
import { openSession } from '@diskferry/system/session';
import { openDatabase, withoutPassword } from '../database/database.ts';
import { EventLog } from '../events/event-log.ts';
import { type BootPolicy, DECISIONS, type Decision } from '../pxe/boot-decision.ts';
import { describeEvent, timed } from '../pxe/boot-log.ts';
import { pxeStateFolder, rulesOfServer } from '../pxe/boot-rules.ts';
import { startPxeServer } from '../pxe/pxe-server.ts';
import { describeSetup, PXE_HTTP_PORT, type PxeSettings, pxeSetup } from '../pxe/pxe-settings.ts';
import { policyOf } from '../pxe/rules-policy.ts';
import { RegistryBootPolicy } from '../registry/boot-policy.ts';
import { Registry } from '../registry/registry.ts';
import { requireRoot } from '../refused-error.ts';
import { SERVER_PORT } from '../serve/server-port.ts';
import { stateFolder } from '../serve/state-folder.ts';
import { readServerSettings } from '../settings/server-settings.ts';
import { type CliOption, choiceOption, type Invocation, portOption } from './command.ts';
import { print, printNote } from './output.ts';

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
    help: `serve: TCP and UDP port of scripts, kernel and initrd (default ${PXE_HTTP_PORT})`,
  },
];

/** Runs the PXE server until it is interrupted. */
export async function runPxeServe(invocation: Invocation): Promise<number> {
  const { flags, signal } = invocation;
  requireRoot('a PXE server');
  const setup = await pxeSetup(settingsOf(invocation), () => hostname());
  await using decider = await deciderOf(invocation, flags.has('secure-boot'));
  const logFile = join(pxeStateFolder(), 'log.jsonl');
  await using session = openSession('pxe');
  const server = await startPxeServer({
    ...setup,
    session,
    policy: decider.policy,
    logFile,
    leasesFile: join(pxeStateFolder(), `leases-${setup.wire.name}`),
    onEvent: (event) => {
      const advice = event.event === 'unanswered' && !flags.has('registry') ? howToBoot(event) : '';
      print(flags.has('json') ? JSON.stringify(timed(event)) : `${describeEvent(event)}${advice}`);
    },
    onNote: printNote,
  });
  try {
    printNote(`${describeSetup(setup)}, ${server.httpUrl}`);
    printNote(`${decider.words}; log: ${logFile}`);
    printNote('ready');
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
  }
  return 0;
}

/** With rules; the registry has states instead. */
function howToBoot({ mac }: { readonly mac: string }): string {
  return `; to boot it: diskferry pxe allow ${mac}`;
}

/** @throws {UsageError} */
function settingsOf(invocation: Invocation): PxeSettings & { readonly interface: string } {
  const { values, flags } = invocation;
  const name = values.get('interface');
  if (name === undefined)
    throw new UsageError('pxe serve takes --interface IF; "ip -brief address" lists them');
  const word = (option: keyof PxeSettings): object => {
    const value = values.get(option);
    return value === undefined ? {} : { [option]: value };
  };
  const folder = (option: 'media' | 'files'): object => {
    const value = values.get(option);
    return value === undefined ? {} : { [option]: resolve(value) };
  };
  const httpPort = portOption(invocation, 'http-port');
  return {
    interface: name,
    ...word('address'),
    ...word('dhcp'),
    ...word('loading-addresses'),
    ...word('gateway'),
    ...word('server'),
    ...word('kernel-words'),
    ...folder('media'),
    ...folder('files'),
    ...(httpPort === undefined ? {} : { 'http-port': httpPort }),
    'secure-boot': flags.has('secure-boot'),
    'extra-drivers': flags.has('extra-drivers'),
  };
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
