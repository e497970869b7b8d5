import { X509Certificate } from 'node:crypto';
import { UsageError } from '@diskferry/system/errors';
import { readMediumSettings } from '@diskferry/system/medium/medium-settings';
import { contentOf, fillMedium, type Medium, type MediumContent, readMedium } from '../media/medium.ts';
import { writeMedium } from '../media/write-medium.ts';
import { type CliCommand, type Invocation, JSON_OPTION } from './command.ts';
import { formatTable, print, printJson } from './output.ts';

const CHANGES = ['server', 'ca', 'enrolment', 'option', 'clear'] as const;

export const mediaCommand: CliCommand = {
  name: 'media',
  operands: ['customize|show', 'ISO', '[NEW-ISO]'],
  summary: 'put a server and options into a finished boot ISO, or show what is in it',
  details:
    'customize ISO NEW-ISO  writes a copy of ISO with what the options say; what they do not name stays as it is.\n' +
    'show ISO               prints the server, its authority and the options; never the secret.\n' +
    'The copy starts as CD and as USB stick, with Secure Boot too. Whoever has it can enrol a computer: keep it as a key.',
  options: [
    {
      name: 'server',
      value: 'HOST:PORT',
      help: 'the computers dial this imaging server ("diskferry serve")',
    },
    { name: 'ca', value: 'FILE', help: 'certificate of the server\'s authority, of "diskferry enrol"' },
    { name: 'enrolment', value: 'FILE', help: 'the secret that admits them, of "diskferry enrol"' },
    {
      name: 'option',
      value: 'WORD',
      multiple: true,
      help: "a word for the kernel's command line, such as ip=10.0.0.5::10.0.0.1:24::eth0:off; all of them replace those there",
    },
    { name: 'clear', help: 'take out the server and all options first' },
    { name: 'yes', help: 'replace NEW-ISO if it is there' },
    JSON_OPTION,
  ],
  async run(invocation) {
    const [action, iso, target] = invocation.positionals as [string, string, string | undefined];
    if (action === 'show') await show(iso, target, invocation);
    else if (action === 'customize') await customize(iso, target, invocation);
    else throw new UsageError(`media takes customize or show, not "${action}"; see diskferry media --help`);
    return 0;
  },
};

async function show(iso: string, target: string | undefined, invocation: Invocation): Promise<void> {
  if (target !== undefined || isChange(invocation)) {
    throw new UsageError('media show takes one ISO and changes nothing; see diskferry media --help');
  }
  report(iso, contentOf(await readMedium(iso)), invocation);
}

async function customize(iso: string, target: string | undefined, invocation: Invocation): Promise<void> {
  if (target === undefined) throw new UsageError('media customize takes ISO and NEW-ISO');
  if (!isChange(invocation)) {
    throw new UsageError('media customize needs --server with --ca and --enrolment, --option or --clear');
  }
  const medium = await readMedium(iso);
  fillMedium(medium, await wantedContent(medium, invocation));
  await writeMedium(target, medium.bytes, { replace: invocation.flags.has('yes') });
  report(target, contentOf(medium), invocation);
}

function isChange({ values, flags, lists }: Invocation): boolean {
  return CHANGES.some((name) => values.has(name) || flags.has(name) || lists.has(name));
}

async function wantedContent(medium: Medium, { values, flags, lists }: Invocation): Promise<MediumContent> {
  const before = flags.has('clear') ? { settings: undefined, options: [] } : contentOf(medium);
  const [server, ca, enrolment] = [values.get('server'), values.get('ca'), values.get('enrolment')];
  const settings = await readMediumSettings({ server, ca, enrolment });
  return { settings: settings ?? before.settings, options: lists.get('option') ?? before.options };
}

function report(iso: string, { settings, options }: MediumContent, { flags }: Invocation): void {
  const server = settings?.server;
  const authority =
    settings === undefined ? undefined : new X509Certificate(settings.authority).fingerprint256;
  // "diskferry enrol" writes the name in front of the secret; one of another origin is shown not at all.
  const enrolment = /^([^.]+)\./.exec(settings?.enrolment ?? '')?.[1];
  if (flags.has('json')) {
    printJson({ iso, server, authority, enrolment, options });
    return;
  }
  print(
    formatTable([
      ['ISO:', iso],
      ['Server:', server ?? 'none: its computers wait for somebody who knows their pairing code'],
      ...(authority === undefined ? [] : [['Authority:', authority]]),
      ...(enrolment === undefined ? [] : [['Enrolment:', enrolment]]),
      ['Options:', options.join(' ') || 'none'],
    ]),
  );
}
