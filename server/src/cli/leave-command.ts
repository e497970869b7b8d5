import { CLIENT_PORT, parseHostAddress } from '@diskferry/protocol/disk-address';
import type { LeavingWord } from '@diskferry/protocol/control';
import { openControlConnection } from '@diskferry/server-adapter/control/control-connection';
import { UsageError } from '@diskferry/system/errors';
import { openSession } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { tlsOf } from '@diskferry/trust/connection-security';
import { remoteSourceOf } from '../attach/disk-source.ts';
import { findLinux, type FoundLinux } from '../leave/find-linux.ts';
import { type Say, sendOut, sendOutInto } from '../leave/send-out.ts';
import { requireRoot } from '../refused-error.ts';
import { askToLeave } from '../serve/local-client.ts';
import { findComputer } from '../serve/managed-disk.ts';
import { type CliCommand, type Invocation, JSON_OPTION } from './command.ts';
import { CONNECTION_OPTIONS, connectionTo, connectionToDisk } from './connection-options.ts';
import { print, printJson, printNote } from './output.ts';

/** A kernel is copied and its signature checked before the computer answers, in ms. */
const ANSWER_MS = 120_000;

const DEED: Readonly<Record<LeavingWord, string>> = {
  'local-disk': 'restarts from its own disk',
  reboot: 'restarts as its firmware has it',
  'power-off': 'switches off',
  kexec: 'starts the Linux of its disk',
};

export const leaveCommand: CliCommand = {
  name: 'leave',
  operands: ['HOST'],
  summary: 'send a booted machine out of the secondary OS, into the system on its disk',
  details:
    `HOST is a name or an address, with :PORT if its disks are not at port ${CLIENT_PORT}; or a name of\n` +
    '"diskferry computers disks". Without an option the machine restarts from its own disk: with UEFI by BootNext, once;\n' +
    'the tray of a CD drive is opened; else its firmware decides. A machine to whose disks a job writes stays.\n\n' +
    'With --kexec DISK, such as --kexec sda, this server reads the kernel, the initrd and the command line that the boot\n' +
    'loader on that disk would start, and the machine starts them at once, without its firmware. Under Secure Boot it\n' +
    'takes only a kernel whose signature it knows.',
  options: [
    { name: 'restart', help: 'restart as the firmware has it, perhaps from the medium again' },
    { name: 'power-off', help: 'switch off' },
    { name: 'kexec', value: 'DISK', help: 'start the Linux of that disk at once' },
    JSON_OPTION,
    ...CONNECTION_OPTIONS,
  ],
  run: runLeave,
};

async function runLeave(invocation: Invocation): Promise<number> {
  const [host] = invocation.positionals as [string];
  const how = leavingOf(invocation);
  const disk = invocation.values.get('kexec');
  if (disk !== undefined) requireRoot('reading the disk of another computer');
  const linux = disk === undefined ? undefined : await linuxOf(`${disk}@${host}`, invocation);
  await using door = await openDoor(host, invocation);
  if (how !== 'kexec') await sendOut(door.say, how);
  else if (linux !== undefined) await sendOutInto(door.say, linux);
  if (invocation.flags.has('json'))
    printJson({ host, how, kernel: linux?.name, commandLine: linux?.commandLine });
  else print(`${host} ${DEED[how]}`);
  return 0;
}

/** @throws {UsageError} */
function leavingOf({ flags, values }: Invocation): LeavingWord {
  const chosen: LeavingWord[] = [
    ...(flags.has('restart') ? (['reboot'] as const) : []),
    ...(flags.has('power-off') ? (['power-off'] as const) : []),
    ...(values.has('kexec') ? (['kexec'] as const) : []),
  ];
  if (chosen.length > 1) throw new UsageError('--restart, --power-off and --kexec exclude each other');
  return chosen[0] ?? 'local-disk';
}

/** Reads it all before the computer is told anything: the disk is let go of by then. */
async function linuxOf(text: string, invocation: Invocation): Promise<FoundLinux> {
  const { signal } = invocation;
  const source = await connectionToDisk(await remoteSourceOf(text), invocation);
  await using session = openSession('leave');
  const linux = await findLinux(source, { session, signal });
  const bytes = formatBytes(linux.kernel.length + linux.initrd.length);
  printNote(`${linux.name} with its initrd (${bytes}), started with: ${linux.commandLine}`);
  return linux;
}

/** The way on which the computer is spoken to: its own port, or `diskferry serve`, which it has dialled. */
async function openDoor(
  host: string,
  invocation: Invocation,
): Promise<AsyncDisposable & { readonly say: Say }> {
  if ((await findComputer(host)) !== undefined) {
    return { say: async (message) => askToLeave(host, message), [Symbol.asyncDispose]: async () => {} };
  }
  const address = parseHostAddress(host);
  const { security, controlPort } = await connectionTo(address, invocation);
  const connection = await openControlConnection(
    { host: address.host, port: controlPort },
    { tls: await tlsOf(security), signal: invocation.signal, timeoutMs: ANSWER_MS },
  );
  return {
    say: async (message) => {
      if (message.type === 'leave') await connection.ask(message, 'leaving');
      else await connection.ask(message, 'kexec-kept');
    },
    [Symbol.asyncDispose]: async () => connection.close(),
  };
}
