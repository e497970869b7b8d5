import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AttachOptions,
  DiskSource,
  ImageFormat,
  LoopbackDriverName,
  SimulatedDisk,
} from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { openSession, type Session } from '@diskferry/system/session';
import { requireTools } from '@diskferry/system/tools';
import { InterruptedError } from '../interrupted-error.ts';
import { RefusedError, requireRoot } from '../refused-error.ts';
import type { Destination, Geometry } from './destination.ts';
import { ExistingDisk, isSameDisk, nameOfDisk } from './existing-disk.ts';
import { NewImage } from './new-image.ts';
import { runSteps, type Step, type StepListener } from './step.ts';
import { surveySource } from './source-survey.ts';
import { planTransfer, type TransferPlan } from './transfer-plan.ts';
import { transferSteps } from './transfer-steps.ts';
import { TRANSFER_TOOLS, Verification, VerificationError, type VerifiedVolume } from './verification.ts';
import type { TransferWishes } from './wishes.ts';

/** How long to wait, in ms, for an adapter's own reason after a step failed: it says more than "I/O error". */
const REASON_GRACE_MS = 1_000;

/** Where a transfer goes. */
export type DestinationRequest =
  | { readonly kind: 'new-image'; readonly path: string; readonly format: ImageFormat }
  | { readonly kind: 'disk'; readonly disk: DiskSource };

/** What a user sees before anything is written. */
export interface TransferProposal {
  readonly plan: TransferPlan;
  readonly steps: readonly Step[];
  readonly destinationName: string;
  /** What is on the destination now and would be lost, one line each. */
  readonly holds: readonly string[];
}

export interface TransferRequest {
  /** What the user calls it: it names the session, and stands on the screen of a computer that is written. */
  readonly purpose: 'capture' | 'deploy' | 'convert';
  readonly source: DiskSource;
  readonly destination: DestinationRequest;
  readonly wishes: TransferWishes;
  /** Compare the destination with the source afterwards. */
  readonly verify: boolean;
  readonly driver: LoopbackDriverName;
  /** A disk that answers nothing for so long is gone, in ms. */
  readonly requestTimeoutMs?: number | undefined;
  /** How long a remote disk whose connection is lost is waited for, in ms. */
  readonly reconnectLimitMs?: number | undefined;
  /** Called with a sentence when the connection to a remote disk is lost and tried again, or there again. */
  readonly onNotice?: (message: string) => void;
  readonly signal: AbortSignal;
  /**
   * Called once with what will be done, before anything is written; resolves with false to stop there (dry run), or
   * rejects to refuse.
   */
  readonly onProposal: (proposal: TransferProposal) => Promise<boolean>;
  readonly listener: StepListener;
}

/** Bytes and times of a finished transfer. */
export interface TransferResult {
  /** The path of a new image. */
  readonly image?: string;
  /** In words. */
  readonly destination: string;
  readonly virtualSize: number;
  /** What a new image takes on this server. */
  readonly allocatedBytes?: number;
  /** Used by the contents of the source. */
  readonly usedBytes: number;
  readonly sourceBytesRead: number;
  readonly sourceBytesWritten: number;
  /** With `verify`: what was compared. */
  readonly verified?: readonly VerifiedVolume[];
  readonly elapsedMs: number;
}

/**
 * Carries a computer's disk to another disk or into an image: partitions and formats the destination like the source and
 * copies the files (US 8,209,680, "Disk Imaging", column 17, and "Disk Deployment"). The source is never written.
 *
 * @returns undefined after a dry run
 * @throws {RefusedError} before anything is written
 * @throws {DiskferryError} when it failed: no image has the final name, and no disk a partition table
 */
export async function transfer(request: TransferRequest): Promise<TransferResult | undefined> {
  requireRoot(`a ${request.purpose}`);
  requireTools(TRANSFER_TOOLS);
  refuseSameDisk(request);
  await using session = openSession(request.purpose);
  const startMs = Date.now();
  const broken = new AbortController();
  const signal = AbortSignal.any([request.signal, broken.signal]);
  const watch = ({ failure }: SimulatedDisk): void => {
    failure.catch((error: unknown) => broken.abort(error));
  };
  const destination = destinationOf(request, session);
  try {
    const contents = destination instanceof ExistingDisk ? await destination.look(signal) : undefined;
    const source = await attachDisk(request.source, {
      ...attachOptions(request, session),
      mode: 'copy-on-write',
      signal,
    });
    watch(source);
    const survey = await surveySource(source, request.wishes, session);
    const geometry = contents?.geometry ?? shapeOf(source, request.wishes);
    if (destination instanceof NewImage) destination.shape(geometry);
    const plan = await planTransfer(survey, geometry, request.wishes, session);
    await destination.refuseUnlessItFits(plan.estimatedBytes);
    const verification = new Verification(plan, destination, session);
    const steps = [
      ...transferSteps(plan, destination, { session, onAttached: watch }),
      closeStep(destination),
      ...(request.verify ? verification.steps() : []),
      finishStep(destination),
    ];
    const proposal = { plan, steps, destinationName: destination.name, holds: contents?.holds ?? [] };
    if (!(await request.onProposal(proposal))) return undefined;
    await runSteps(steps, request.listener, signal);
    const { sourceBytesRead, sourceBytesWritten } = await source.counters();
    return {
      ...(destination instanceof NewImage
        ? { image: destination.path, allocatedBytes: await destination.allocatedBytes() }
        : {}),
      destination: destination.name,
      virtualSize: geometry.bytes,
      usedBytes: plan.volumes.reduce((sum, { fileSystem }) => sum + fileSystem.usedBytes, 0),
      sourceBytesRead,
      sourceBytesWritten,
      ...(request.verify ? { verified: verification.volumes } : {}),
      elapsedMs: Date.now() - startMs,
    };
  } catch (error) {
    throw asRefusal(await rootCause(error, destination, signal));
  }
}

/** What the local disks say by which a disk is refused as it is: they are looked at before anything is written. */
const REFUSALS: readonly string[] = [
  'DEVICE_BUSY',
  'DEVICE_EMPTY',
  'DEVICE_MISSING',
  'DEVICE_READ_ONLY',
  'IMAGE_IN_USE',
];

function asRefusal(error: unknown): unknown {
  if (!(error instanceof DiskferryError) || !REFUSALS.includes(error.code)) return error;
  return new RefusedError(error.code, error.message, { cause: error });
}

/** Only names are compared: what is the same disk by another name is still shown as a disk with data. */
function refuseSameDisk({ source, destination, purpose }: TransferRequest): void {
  if (destination.kind !== 'disk' || !isSameDisk(source, destination.disk)) return;
  throw new RefusedError(
    'SAME_DISK',
    `${nameOfDisk(source)} is both source and destination of the ${purpose}; give another destination`,
  );
}

function destinationOf(request: TransferRequest, session: Session): NewImage | ExistingDisk {
  const { destination, driver, purpose } = request;
  if (destination.kind === 'new-image') {
    return new NewImage(destination.path, { format: destination.format, session, driver });
  }
  return new ExistingDisk(destination.disk, {
    ...attachOptions(request, session),
    purpose: { job: session.id, description: `${purpose} of ${nameOfDisk(request.source)}` },
  });
}

function attachOptions(
  { driver, requestTimeoutMs, reconnectLimitMs, onNotice }: TransferRequest,
  session: Session,
): Omit<AttachOptions, 'mode'> {
  return {
    session,
    driver,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...(reconnectLimitMs === undefined ? {} : { reconnectLimitMs }),
    ...(onNotice === undefined ? {} : { onNotice }),
  };
}

/** Of a new image: that of the source where nothing else is asked for. */
function shapeOf({ size, sectorSize }: SimulatedDisk, { sizeBytes, sectorBytes }: TransferWishes): Geometry {
  const logical = sectorBytes ?? sectorSize.logical;
  const bytes = sizeBytes ?? size;
  if (bytes % logical !== 0) {
    throw new RefusedError(
      'BAD_SIZE',
      `a disk of ${bytes} bytes is no whole number of sectors of ${logical} bytes`,
    );
  }
  return { bytes, sectorSize: { logical, physical: Math.max(logical, sectorSize.physical) } };
}

function closeStep(destination: Destination): Step {
  return {
    title: `write everything that is still in memory to ${destination.name}`,
    bytes: 0,
    run: () => destination.close(),
  };
}

function finishStep(destination: Destination): Step {
  return {
    title: destination.isNew ? `check ${destination.name} and give it its name` : `leave ${destination.name}`,
    bytes: 0,
    run: () => destination.finish(),
  };
}

/** What really went wrong: an interruption, a lost disk or a full folder shows itself first as an I/O error. */
async function rootCause(error: unknown, destination: Destination, signal: AbortSignal): Promise<unknown> {
  if (error instanceof RefusedError || error instanceof VerificationError) return error;
  for (let waited = 0; !signal.aborted && waited < REASON_GRACE_MS; waited += 50) await sleep(50);
  const reason: unknown = signal.aborted ? signal.reason : error;
  if (reason instanceof InterruptedError) return reason;
  const explanation = await destination.explain();
  if (explanation === undefined) return reason;
  return new DiskferryError('TARGET_FULL', `${explanation}: ${messageOf(reason)}`, { cause: reason });
}
