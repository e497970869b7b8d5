import { formatBytes, formatDuration } from '@diskferry/system/units';
import { remoteSourceOf } from '../attach/disk-source.ts';
import { type CaptureResult, capture } from '../capture/capture.ts';
import type { CapturePlan } from '../capture/capture-plan.ts';
import type { Step } from '../capture/step.ts';
import { requireRoot } from '../refused-error.ts';
import { type CliCommand, type Invocation, JSON_OPTION, secondsOption, TIMEOUT_OPTION } from './command.ts';
import { CONNECTION_OPTIONS, connectionToDisk } from './connection-options.ts';
import { DRIVER_OPTION, driverOption } from './driver-option.ts';
import { print, printJson, printNote } from './output.ts';
import { RECONNECT_OPTION, reconnectOption } from './reconnect-option.ts';
import { type Progress, startProgress } from './progress-line.ts';

export const captureCommand: CliCommand = {
  name: 'capture',
  operands: ['ADDRESS', 'IMAGE'],
  summary: 'capture a disk into a new image (qcow2)',
  details:
    'File systems are made anew and their files are copied, so the image holds nothing of the free space;\n' +
    'what diskferry does not know is copied as sectors, and said. The source is only read.',
  options: [
    { name: 'dry-run', help: 'show what would be done, write nothing' },
    JSON_OPTION,
    TIMEOUT_OPTION,
    RECONNECT_OPTION,
    ...CONNECTION_OPTIONS,
    DRIVER_OPTION,
  ],
  run: runCapture,
};

async function runCapture(invocation: Invocation): Promise<number> {
  const [address, image] = invocation.positionals as [string, string];
  const json = invocation.flags.has('json');
  const dryRun = invocation.flags.has('dry-run');
  const warnings: string[] = [];
  const warn = (message: string) => {
    warnings.push(message);
    printNote(`warning: ${message}`);
  };
  // Before a code is used up.
  requireRoot('a capture');
  const source = await connectionToDisk(await remoteSourceOf(address), invocation);
  let seen: CapturePlan | undefined;
  let progress: Progress | undefined;
  try {
    const result = await capture({
      source,
      image,
      driver: driverOption(invocation),
      requestTimeoutMs: secondsOption(invocation, 'timeout'),
      reconnectLimitMs: reconnectOption(invocation),
      onNotice: printNote,
      signal: invocation.signal,
      onPlan: (plan, steps) => {
        seen = plan;
        if (dryRun) showPlan(plan, steps, json);
        else plan.warnings.forEach(warn);
        progress = dryRun ? undefined : startProgress(steps.reduce((sum, { bytes }) => sum + bytes, 0));
        return !dryRun;
      },
      listener: {
        onStep: ({ title }) => progress?.step(title),
        onProgress: (bytes) => progress?.update(bytes),
        onWarning: warn,
      },
    });
    progress?.end();
    progress = undefined;
    if (result !== undefined && seen !== undefined) showResult(result, seen, warnings, json);
    return 0;
  } finally {
    progress?.end();
  }
}

function showPlan(plan: CapturePlan, steps: readonly Step[], json: boolean): void {
  if (json) {
    printJson({
      steps: steps.map(({ title, bytes }) => ({ title, bytes })),
      ...planFacts(plan),
      warnings: plan.warnings,
    });
    return;
  }
  print('Nothing is written. A capture would:');
  for (const [index, { title }] of steps.entries()) print(`${String(index + 1).padStart(3)}. ${title}`);
  print(`The image would take about ${formatBytes(plan.estimatedBytes)}.`);
  for (const warning of plan.warnings) print(`warning: ${warning}`);
}

function showResult(
  result: CaptureResult,
  plan: CapturePlan,
  warnings: readonly string[],
  json: boolean,
): void {
  if (json) {
    printJson({ ...result, ...planFacts(plan), warnings });
    return;
  }
  const { allocatedBytes, usedBytes, virtualSize, sourceBytesRead, elapsedMs } = result;
  print(
    `captured ${formatBytes(usedBytes)} of files from a disk of ${formatBytes(virtualSize)} into ${result.image}: ` +
      `${formatBytes(allocatedBytes)} on disk, ${formatBytes(sourceBytesRead)} read, in ${formatDuration(elapsedMs)}`,
  );
  print(`prove that it starts: diskferry boot ${result.image}`);
}

function planFacts({ source, table, volumes, estimatedBytes }: CapturePlan) {
  return {
    size: source.size,
    sectorSize: source.sectorSize,
    partitionTable: { kind: table.kind, id: table.id, usedBackup: table.usedBackup },
    partitions: volumes.map(({ partition, fileSystem: { type, uuid, label, how, usedBytes, notes } }) => ({
      ...partition,
      fileSystem: { type, uuid, label, how, usedBytes, notes },
    })),
    estimatedBytes,
  };
}
