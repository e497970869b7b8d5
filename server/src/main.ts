import { messageOf, UsageError } from '@diskferry/system/errors';
import { cleanUp } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { TrustError } from '@diskferry/trust/trust-error';
import manifest from '../package.json' with { type: 'json' };
import { attachCommand } from './cli/attach-command.ts';
import { auditCommand } from './cli/audit-command.ts';
import { backupCommand } from './cli/backup-command.ts';
import { bootCommand } from './cli/boot-command.ts';
import { captureCommand } from './cli/capture-command.ts';
import { cleanupCommand } from './cli/cleanup-command.ts';
import { type CliCommand, parseInvocation } from './cli/command.ts';
import { computersCommand } from './cli/computers-command.ts';
import { convertCommand } from './cli/convert-command.ts';
import { deployCommand } from './cli/deploy-command.ts';
import { detachCommand } from './cli/detach-command.ts';
import { disksCommand } from './cli/disks-command.ts';
import { enrolCommand } from './cli/enrol-command.ts';
import { groupsCommand } from './cli/groups-command.ts';
import { commandHelp, programHelp } from './cli/help.ts';
import { abortOnInterrupt } from './cli/interrupt.ts';
import { eventsCommand } from './cli/events-command.ts';
import { imagesCommand } from './cli/images-command.ts';
import { inventoryCommand } from './cli/inventory-command.ts';
import { jobsCommand } from './cli/jobs-command.ts';
import { leaveCommand } from './cli/leave-command.ts';
import { locationsCommand } from './cli/locations-command.ts';
import { loginCommand, logoutCommand } from './cli/login-command.ts';
import { mediaCommand } from './cli/media-command.ts';
import { pairCommand } from './cli/pair-command.ts';
import { print, printJson, printNote } from './cli/output.ts';
import { pxeCommand } from './cli/pxe-command.ts';
import { rulesCommand } from './cli/rules-command.ts';
import { schedulesCommand } from './cli/schedules-command.ts';
import { serveCommand } from './cli/serve-command.ts';
import { usersCommand } from './cli/users-command.ts';
import { verifyCommand } from './cli/verify-command.ts';
import { InterruptedError } from './interrupted-error.ts';
import { RefusedError } from './refused-error.ts';

const COMMANDS: readonly CliCommand[] = [
  pairCommand,
  captureCommand,
  deployCommand,
  convertCommand,
  verifyCommand,
  disksCommand,
  inventoryCommand,
  leaveCommand,
  attachCommand,
  detachCommand,
  bootCommand,
  serveCommand,
  backupCommand,
  enrolCommand,
  loginCommand,
  logoutCommand,
  computersCommand,
  groupsCommand,
  rulesCommand,
  imagesCommand,
  locationsCommand,
  jobsCommand,
  schedulesCommand,
  eventsCommand,
  usersCommand,
  auditCommand,
  mediaCommand,
  pxeCommand,
  cleanupCommand,
];

const EXIT_FAILED = 1;
const EXIT_REFUSED = 2;

async function main(words: readonly string[]): Promise<number> {
  const [first, second] = words;
  const [name, ...rest] = first === 'help' && second !== undefined ? [second, '--help'] : words;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    print(programHelp(COMMANDS));
    return name === undefined ? EXIT_REFUSED : 0;
  }
  if (name === '--version' || name === 'version') {
    print(`diskferry ${manifest.version}`);
    return 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) throw new UsageError(`there is no command "${name}"; see diskferry --help`);
  if (rest.includes('--help') || rest.includes('-h')) {
    print(commandHelp(command));
    return 0;
  }
  const invocation = parseInvocation(command, rest, abortOnInterrupt());
  if (command.keepsLeftovers !== true) await releaseLeftovers();
  return command.run(invocation);
}

/** What a killed diskferry left behind is released by the next one. */
async function releaseLeftovers(): Promise<void> {
  if (process.getuid?.() !== 0) return;
  try {
    for (const session of await cleanUp())
      printNote(`diskferry: released what ${session.id} had left behind`);
  } catch (error) {
    printNote(`diskferry: ${messageOf(error)}; try: diskferry cleanup`);
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) return error.exitCode;
  const refused = error instanceof UsageError || error instanceof RefusedError || error instanceof TrustError;
  const misspelt = error instanceof Error && 'code' in error && error.code === 'ADDRESS_INVALID';
  return refused || misspelt ? EXIT_REFUSED : EXIT_FAILED;
}

extendPath();
const words = process.argv.slice(2);
try {
  process.exitCode = await main(words);
} catch (error) {
  process.exitCode = exitCodeOf(error);
  if (words.includes('--json')) {
    const code = error instanceof Error && 'code' in error ? error.code : 'FAILED';
    printJson({ error: { code, message: messageOf(error) } });
  }
  printNote(`diskferry: ${messageOf(error)}`);
  if (process.env['NODE_DEBUG']?.includes('diskferry')) printNote(String((error as Error).stack));
}
