import { UsageError } from '@diskferry/system/errors';
import { openSession } from '@diskferry/system/session';
import { formatDuration } from '@diskferry/system/units';
import { bootProof } from '../boot-proof/boot-proof.ts';
import { diskSourceOf } from '../attach/disk-source.ts';
import { type CliCommand, choiceOption, type Invocation, JSON_OPTION, secondsOption } from './command.ts';
import { isImageWord } from './job-operands.ts';
import { bootByJob, JOB_OPTIONS, serverFor } from './job-transfer.ts';
import { print, printJson, printNote } from './output.ts';

export const bootCommand: CliCommand = {
  name: 'boot',
  operands: ['IMAGE'],
  summary: 'prove that an image starts: boot it in QEMU on a redo log and wait for a login prompt',
  details:
    'The image is not changed. The system must show its login prompt on the first serial port.\n\n' +
    'Where a server is configured, a name without a / and an ending such as .qcow2 is an image of its catalog, and it is a job.',
  options: [
    { name: 'firmware', value: 'NAME', help: 'bios or uefi; by default what the partition table says' },
    { name: 'expect', value: 'REGEX', help: 'what to wait for on the serial console (default "login:")' },
    { name: 'timeout', value: 'SECONDS', help: 'how long it may take (default 300)' },
    JSON_OPTION,
    ...JOB_OPTIONS,
  ],
  run: runBoot,
};

async function runBoot(invocation: Invocation): Promise<number> {
  const [path] = invocation.positionals as [string];
  const server = await serverFor('boot', isImageWord(path), invocation);
  if (server !== undefined) return bootByJob(server, path, invocation);
  const source = await diskSourceOf(path);
  if (source.kind !== 'image') throw new UsageError('boot takes the path of an image, not an address');
  await using session = openSession('boot');
  const firmware = choiceOption(invocation, 'firmware', ['bios', 'uefi']);
  const timeoutMs = secondsOption(invocation, 'timeout');
  const expect = expectOption(invocation);
  const proof = await bootProof(source, {
    session,
    signal: invocation.signal,
    ...(process.stderr.isTTY ? { onProgress: printNote } : {}),
    ...(firmware === undefined ? {} : { firmware }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(expect === undefined ? {} : { expect }),
  });
  if (invocation.flags.has('json')) printJson({ image: path, boots: true, ...proof });
  else print(`${path} boots (${proof.firmware}): login prompt after ${formatDuration(proof.seconds * 1000)}`);
  return 0;
}

function expectOption({ values }: Invocation): RegExp | undefined {
  const text = values.get('expect');
  if (text === undefined) return undefined;
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`--expect takes a regular expression: ${(error as Error).message}`);
  }
}
