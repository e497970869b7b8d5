import type { DiskSource } from '@diskferry/server-adapter/simulated-disk';
import { formatBytes } from '@diskferry/system/units';
import { diskSourceOf } from '../attach/disk-source.ts';
import { requireRoot } from '../refused-error.ts';
import { compareDisks, type DiskComparison } from '../transfer/compare-disks.ts';
import { listed, sentenceOf } from '../transfer/verification.ts';
import { type CliCommand, type Invocation, JSON_OPTION, secondsOption, TIMEOUT_OPTION } from './command.ts';
import { CONNECTION_OPTIONS, connectionToDisk } from './connection-options.ts';
import { DRIVER_OPTION, driverOption } from './driver-option.ts';
import { print, printJson, printNote } from './output.ts';
import { isImageWord, readDiskWord } from './job-operands.ts';
import { COMPUTER_JOB_OPTIONS, JOB_OPTIONS, serverFor, verifyByJob } from './job-transfer.ts';
import { PASSPHRASE_OPTION, passphraseOption } from './passphrase-option.ts';
import { type Progress, startProgress } from './progress-line.ts';
import { PROGRESS_OPTION, wantsJsonProgress } from './progress-option.ts';
import { RECONNECT_OPTION, reconnectOption } from './reconnect-option.ts';

export const verifyCommand: CliCommand = {
  name: 'verify',
  operands: ['IMAGE', 'ADDRESS|IMAGE'],
  summary: 'compare a disk, or another image, with an image: every file and its attributes',
  details:
    'Both are only read. Partitions may have other sizes and places, and what a deploy changes so that the system\n' +
    'starts is no difference; nor are settings of file systems, which are told. Exit code 1 if there are differences.\n\n' +
    'Where a server is configured, "verify web sda@web1" and "verify web:3 web:2" are jobs of the server: names without a /\n' +
    'and an ending such as .qcow2 are images of its catalog, web1 is a registered computer.',
  options: [
    PASSPHRASE_OPTION,
    JSON_OPTION,
    PROGRESS_OPTION,
    TIMEOUT_OPTION,
    RECONNECT_OPTION,
    ...CONNECTION_OPTIONS,
    DRIVER_OPTION,
    ...JOB_OPTIONS,
    ...COMPUTER_JOB_OPTIONS,
  ],
  async run(invocation) {
    const words = invocation.positionals as [string, string];
    const other = isImageWord(words[1]) ? words[1] : readDiskWord(words[1]);
    const server = await serverFor('verify', isImageWord(words[0]) && other !== undefined, invocation);
    if (server !== undefined && other !== undefined) return verifyByJob(server, words[0], other, invocation);
    requireRoot('a comparison');
    const [left, right] = [await sourceOf(words[0], invocation), await sourceOf(words[1], invocation)];
    const comparison = await compare(left, right, invocation);
    show(words, comparison, invocation.flags.has('json'));
    return comparison.differences.length === 0 ? 0 : 1;
  },
};

async function sourceOf(word: string, invocation: Invocation): Promise<DiskSource> {
  const source = await diskSourceOf(word);
  return source.kind === 'remote' ? connectionToDisk(source, invocation) : source;
}

async function compare(left: DiskSource, right: DiskSource, invocation: Invocation): Promise<DiskComparison> {
  let progress: Progress | undefined;
  try {
    return await compareDisks({
      left,
      right,
      passphrase: passphraseOption(invocation),
      driver: driverOption(invocation),
      requestTimeoutMs: secondsOption(invocation, 'timeout'),
      reconnectLimitMs: reconnectOption(invocation),
      onNotice: printNote,
      signal: invocation.signal,
      onBegin: (totalBytes) => {
        progress = startProgress(totalBytes, { asJson: wantsJsonProgress(invocation) });
      },
      listener: {
        onStep: ({ title }) => progress?.step(title),
        onProgress: (bytes) => progress?.update(bytes),
        onWarning: (message) => printNote(`warning: ${message}`),
      },
    });
  } finally {
    progress?.end();
  }
}

function show(
  [image, other]: readonly [string, string],
  { differences, settings, volumes }: DiskComparison,
  json: boolean,
): void {
  const lines = differences.map(sentenceOf);
  const isEqual = lines.length === 0;
  if (json) {
    const error = { code: 'NOT_EQUAL', message: `${other} differs from ${image} in ${listed(lines)}` };
    printJson({
      image,
      other,
      equal: isEqual,
      volumes,
      differences,
      settings,
      ...(isEqual ? {} : { error }),
    });
    return;
  }
  for (const line of lines) print(line);
  for (const setting of settings) print(`no difference of a file: ${sentenceOf(setting)}`);
  const bytes = volumes.reduce((sum, volume) => sum + volume.bytes, 0);
  const compared = `${volumes.length} partitions with ${formatBytes(bytes)}`;
  const found = isEqual ? 'no difference' : `${lines.length} differences`;
  print(`${other} was compared with ${image}: ${found} (${compared})`);
}
