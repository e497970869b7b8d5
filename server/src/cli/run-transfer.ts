import { formatBytes, formatDuration } from '@diskferry/system/units';
import { UsageError } from '@diskferry/system/errors';
import type { DiskSource } from '@diskferry/server-adapter/simulated-disk';
import type { BootProof } from '../boot-proof/boot-proof.ts';
import { RefusedError, requireRoot } from '../refused-error.ts';
import { proveStart } from '../transfer/prove-start.ts';
import {
  type DestinationRequest,
  transfer,
  type TransferProposal,
  type TransferRequest,
  type TransferResult,
} from '../transfer/transfer.ts';
import { askYes, canAsk } from './ask-yes.ts';
import { type Invocation, secondsOption } from './command.ts';
import { connectionToDisk } from './connection-options.ts';
import { driverOption } from './driver-option.ts';
import { print, printJson, printNote } from './output.ts';
import { type Progress, startProgress } from './progress-line.ts';
import { wantsJsonProgress } from './progress-option.ts';
import { reconnectOption } from './reconnect-option.ts';
import { wishesOf } from './transfer-options.ts';

/** The ends of a transfer as the user wrote them, not yet connected. */
export interface TransferWords {
  readonly purpose: TransferRequest['purpose'];
  readonly source: DiskSource;
  readonly destination: DestinationRequest;
}

/** Runs a transfer for the command line: shows plan, progress and result, and asks before data are lost. */
export async function runTransfer(words: TransferWords, invocation: Invocation): Promise<number> {
  const wishes = wishesOf(invocation);
  const { flags, signal } = invocation;
  // Before a pairing code is used up.
  requireRoot(`a ${words.purpose}`);
  const { source, destination } = await connect(words, invocation);
  const dryRun = flags.has('dry-run');
  const warnings: string[] = [];
  const warn = (message: string): void => {
    warnings.push(message);
    printNote(`warning: ${message}`);
  };
  let seen: TransferProposal | undefined;
  let progress: Progress | undefined;
  try {
    const request: TransferRequest = {
      purpose: words.purpose,
      source,
      destination,
      wishes,
      verify: flags.has('verify'),
      driver: driverOption(invocation),
      requestTimeoutMs: secondsOption(invocation, 'timeout'),
      reconnectLimitMs: reconnectOption(invocation),
      onNotice: printNote,
      signal,
      onProposal: async (proposal) => {
        seen = proposal;
        if (dryRun) {
          showProposal(words.purpose, proposal, flags.has('json'));
          return false;
        }
        proposal.plan.warnings.forEach(warn);
        await confirm(proposal, invocation);
        progress = startProgress(
          proposal.steps.reduce((sum, { bytes }) => sum + bytes, 0),
          { asJson: wantsJsonProgress(invocation) },
        );
        return true;
      },
      listener: {
        onStep: ({ title }) => progress?.step(title),
        onProgress: (bytes) => progress?.update(bytes),
        onWarning: warn,
      },
    };
    const result = await transfer(request);
    if (result === undefined || seen === undefined) return 0;
    const wantsProof = flags.has('boot-proof');
    if (wantsProof) progress?.step('boot the result');
    const proof = wantsProof ? await proveStart(request, seen.plan) : undefined;
    progress?.end();
    progress = undefined;
    showResult(words.purpose, { result, proposal: seen, proof, warnings }, flags.has('json'));
    return 0;
  } finally {
    progress?.end();
  }
}

async function connect(
  { source, destination }: TransferWords,
  invocation: Invocation,
): Promise<Pick<TransferRequest, 'source' | 'destination'>> {
  const target = destination.kind === 'disk' ? destination.disk : undefined;
  if (source.kind === 'remote' && target?.kind === 'remote' && invocation.values.has('pair')) {
    throw new UsageError(
      '--pair cannot tell which of two computers it is for; pair with each by "diskferry pair" first',
    );
  }
  return {
    source: source.kind === 'remote' ? await connectionToDisk(source, invocation) : source,
    destination:
      target?.kind === 'remote'
        ? { kind: 'disk', disk: await connectionToDisk(target, invocation) }
        : destination,
  };
}

/** @throws {RefusedError} `NEEDS_CONFIRMATION` */
async function confirm(
  { holds, destinationName }: TransferProposal,
  { flags, signal }: Invocation,
): Promise<void> {
  if (holds.length === 0 || flags.has('yes')) return;
  const list = holds.map((line) => `  ${line}`).join('\n');
  const what = `${destinationName} is not empty; all of this would be lost:\n${list}`;
  if (canAsk()) {
    printNote(what);
    if (await askYes('Overwrite it?', signal)) return;
    throw new RefusedError('NEEDS_CONFIRMATION', 'nothing was written');
  }
  throw new RefusedError('NEEDS_CONFIRMATION', `${what}\nadd --yes to overwrite it`);
}

function showProposal(
  purpose: string,
  { plan, steps, holds, destinationName }: TransferProposal,
  json: boolean,
): void {
  if (json) {
    printJson({
      steps: steps.map(({ title, bytes }) => ({ title, bytes })),
      ...planFacts({ plan, holds }),
      warnings: plan.warnings,
    });
    return;
  }
  print(`Nothing is written. A ${purpose} would:`);
  for (const [index, { title }] of steps.entries()) print(`${String(index + 1).padStart(3)}. ${title}`);
  print(`About ${formatBytes(plan.estimatedBytes)} would be copied. Boot loader: ${plan.boot.loader}.`);
  if (holds.length > 0) print(`Lost on ${destinationName}:\n${holds.map((line) => `  ${line}`).join('\n')}`);
  for (const warning of plan.warnings) print(`warning: ${warning}`);
}

interface Outcome {
  readonly result: TransferResult;
  readonly proposal: TransferProposal;
  readonly proof: BootProof | undefined;
  readonly warnings: readonly string[];
}

function showResult(purpose: string, { result, proposal, proof, warnings }: Outcome, json: boolean): void {
  if (json) {
    printJson({
      ...result,
      ...planFacts(proposal),
      ...(proof === undefined ? {} : { bootProof: { boots: true, ...proof } }),
      warnings,
    });
    return;
  }
  const { image, allocatedBytes = 0, usedBytes, virtualSize, sourceBytesRead, elapsedMs, verified } = result;
  const took = `${formatBytes(sourceBytesRead)} read, in ${formatDuration(elapsedMs)}`;
  print(
    image === undefined
      ? `${purpose} to ${result.destination} (${formatBytes(virtualSize)}): ${formatBytes(usedBytes)} of contents, ${took}`
      : `${purpose} of ${formatBytes(usedBytes)} of contents into ${image}: ${formatBytes(allocatedBytes)} on disk for a ` +
          `disk of ${formatBytes(virtualSize)}, ${took}`,
  );
  if (verified !== undefined) print(`verified: no difference in ${verified.length} volumes`);
  if (proof !== undefined)
    print(`boots (${proof.firmware}): login prompt after ${formatDuration(proof.seconds * 1000)}`);
  else if (image !== undefined) print(`prove that it starts: diskferry boot ${image}`);
}

function planFacts({ plan, holds }: Pick<TransferProposal, 'plan' | 'holds'>) {
  const { survey, geometry, table, volumes, boot, estimatedBytes } = plan;
  return {
    size: survey.source.size,
    sectorSize: survey.source.sectorSize,
    destinationSize: geometry.bytes,
    destinationSectorSize: geometry.sectorSize,
    destinationHeld: holds,
    partitionTable: { kind: table.kind, id: table.id, usedBackup: survey.table.usedBackup },
    partitions: volumes.map(
      ({ placed, usedBlocks, fileSystem: { type, uuid, label, how, usedBytes, notes } }) => ({
        ...placed,
        fileSystem: {
          type,
          uuid,
          label,
          how: usedBlocks === undefined ? how : 'blocks',
          usedBytes: usedBlocks?.usedBytes ?? usedBytes,
          notes,
        },
      }),
    ),
    bootLoader: { name: boot.loader, firmware: boot.firmware },
    estimatedBytes,
  };
}
