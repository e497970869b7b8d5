import { UsageError } from '@diskferry/system/errors';
import type { Decision } from '../pxe/boot-decision.ts';
import { type BootRule, rulesOfServer } from '../pxe/boot-rules.ts';
import { requireMachineKey } from '../pxe/machine-key.ts';
import { RefusedError } from '../refused-error.ts';
import { type CliCommand, type Invocation, JSON_OPTION } from './command.ts';
import { formatTable, print, printJson } from './output.ts';
import { PXE_SERVE_OPTIONS, runPxeServe } from './pxe-serve.ts';

/** The words by which a person decides. */
const DECISION_OF: Readonly<Record<string, Decision>> = {
  allow: 'boot',
  local: 'local',
  refuse: 'refuse',
  ignore: 'ignore',
};
/** Those in which a machine loads something from here. */
const LOADING_ACTIONS = ['allow', 'local', 'refuse'];
const ACTIONS = ['serve', 'list', ...Object.keys(DECISION_OF), 'forget'];

export const pxeCommand: CliCommand = {
  name: 'pxe',
  operands: ['ACTION', '[MACHINE]'],
  summary: 'let machines boot the imaging client from the network, and decide which',
  details:
    'diskferry pxe serve --interface IF   answers PXE and UEFI HTTP boot on that interface until it is interrupted,\n' +
    '                                     beside the DHCP server that is there\n' +
    'diskferry pxe allow MACHINE          it boots the imaging client; with --once its next start is from its disk\n' +
    'diskferry pxe local MACHINE          it starts from its own disk\n' +
    'diskferry pxe refuse MACHINE         it is told that it is refused\n' +
    'diskferry pxe ignore MACHINE         it gets no answer, as if there were no PXE server\n' +
    'diskferry pxe forget MACHINE         what counts for unknown machines counts for it again\n' +
    'diskferry pxe list                   lists these rules\n\n' +
    'A MACHINE is a MAC address or an SMBIOS UUID. Rules count at once, also while the server runs. See docs/pxe.md.',
  options: [
    { name: 'once', help: 'allow: boot it one time, and from its own disk after that' },
    ...PXE_SERVE_OPTIONS,
    { name: 'json', help: `${JSON_OPTION.help}; serve: one JSON object a line for each event` },
  ],
  run: runPxe,
};

async function runPxe(invocation: Invocation): Promise<number> {
  const [action = '', machine] = invocation.positionals;
  requireOptionsOf(action, invocation);
  if (action === 'serve' || action === 'list') {
    if (machine !== undefined) throw new UsageError(`pxe ${action} takes no MACHINE`);
    return action === 'serve' ? runPxeServe(invocation) : list(invocation);
  }
  if (!ACTIONS.includes(action)) throw new UsageError(`pxe takes ${ACTIONS.join(', ')}, not "${action}"`);
  if (machine === undefined) throw new UsageError(`pxe ${action} takes the MAC address or UUID of a machine`);
  return decide(action, machine, invocation);
}

/** Options of `serve` mean nothing elsewhere, and must not be thought to. */
function requireOptionsOf(action: string, { flags, values }: Invocation): void {
  if (flags.has('once') && action !== 'allow') throw new UsageError('--once belongs to pxe allow');
  if (flags.has('secure-boot') && ![...LOADING_ACTIONS, 'serve'].includes(action)) {
    throw new UsageError(`--secure-boot belongs to pxe serve, ${LOADING_ACTIONS.join(', ')}`);
  }
  const [foreign] = action === 'serve' ? [] : values.keys();
  if (foreign !== undefined) throw new UsageError(`--${foreign} belongs to pxe serve`);
}

async function decide(action: string, machine: string, { flags }: Invocation): Promise<number> {
  const key = requireMachineKey(machine);
  const rule = ruleOf(DECISION_OF[action], flags);
  const before = await rulesOfServer().set(key, rule);
  if (rule === undefined && before === undefined) {
    throw new RefusedError('RULE_MISSING', `there is no rule for ${key.text}; see diskferry pxe list`);
  }
  if (flags.has('json')) printJson({ machine: key.text, rule: rule ?? null, before: before ?? null });
  else print(`${key.text}: ${rule === undefined ? 'forgotten' : wordsOf(rule)}`);
  return 0;
}

function ruleOf(decision: Decision | undefined, flags: ReadonlySet<string>): BootRule | undefined {
  if (decision === undefined) return undefined;
  const once = flags.has('once') ? { once: true } : {};
  const secureBoot = flags.has('secure-boot') ? { secureBoot: true } : {};
  return { decision, ...once, ...secureBoot };
}

function list({ flags }: Invocation): number {
  const rules = [...rulesOfServer().read()];
  if (flags.has('json')) printJson(rules.map(([machine, rule]) => ({ machine, ...rule })));
  else if (rules.length === 0) print('there are no rules; try: diskferry pxe allow MACHINE');
  else print(formatTable([['MACHINE', 'RULE'], ...rules.map(([name, rule]) => [name, wordsOf(rule)])]));
  return 0;
}

function wordsOf(rule: BootRule): string {
  return `${deedOf(rule)}${rule.secureBoot === true ? ' (Secure Boot)' : ''}`;
}

function deedOf({ decision, once }: BootRule): string {
  switch (decision) {
    case 'boot':
      return once === true ? 'boots the imaging client once' : 'boots the imaging client';
    case 'local':
      return 'starts from its own disk';
    case 'refuse':
      return 'is refused';
    case 'ignore':
      return 'gets no answer';
  }
}
