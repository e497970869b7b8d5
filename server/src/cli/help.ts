import { type CliCommand, type CliOption, usageLine } from './command.ts';

const HELP_OPTION: CliOption = { name: 'help', help: 'show this help' };

/** The help of the whole program. */
export function programHelp(commands: readonly CliCommand[]): string {
  const rows = commands.map(
    ({ name, operands, summary }) => [[name, ...operands].join(' '), summary] as const,
  );
  return `diskferry carries whole computers between metal and virtual machines.

Usage: diskferry COMMAND [OPERAND]... [OPTION]...

${table(rows)}

Boot the computer from dist/diskferry.iso; its screen shows its address and its disks.
An ADDRESS is /dev/sda@HOST[:PORT], /dev/sda@COMPUTER with a name of "diskferry computers disks",
nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH.
"diskferry COMMAND --help" tells more. Exit codes: 0 done, 1 failed, 2 wrong usage or refused.
After "diskferry login URL", or as root beside "diskferry serve", capture, deploy, convert, verify and boot take names of
the server's computers and images too, and are jobs of the server then.
NODE_DEBUG=diskferry:* shows what happens inside.
`;
}

/** The help of one command. */
export function commandHelp(command: CliCommand): string {
  const rows = [...command.options, HELP_OPTION].map(
    ({ name, value, help }) => [`--${name}${value === undefined ? '' : ` ${value}`}`, help] as const,
  );
  const details = command.details === undefined ? '' : `\n${command.details}\n`;
  return `Usage: ${usageLine(command)}\n\n${command.summary}\n${details}\n${table(rows)}\n`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
