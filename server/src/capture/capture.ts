import { setTimeout as sleep } from 'node:timers/promises';
import type { DiskSource, LoopbackDriverName, SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { openSession, type Session } from '@diskferry/system/session';
import { requireTools } from '@diskferry/system/tools';
import { formatBytes } from '@diskferry/system/units';
import { InterruptedError } from '../interrupted-error.ts';
import { RefusedError, requireRoot } from '../refused-error.ts';
import { type CapturePlan, planCapture } from './capture-plan.ts';
import { captureSteps } from './capture-steps.ts';
import { NewImage } from './new-image.ts';
import { runSteps, type Step, type StepListener } from './step.ts';

const TOOLS = ['qemu-img', 'qemu-nbd', 'losetup', 'mount', 'umount', 'blkid'];
/** How long to wait, in ms, for an adapter's own reason after a step failed: it says more than "I/O error". */
const REASON_GRACE_MS = 1_000;
/** A folder with less free space than this is called full, in bytes. */
const FULL_BYTES = 8 * 1024 * 1024;

export interface CaptureRequest {
  readonly source: DiskSource;
  /** The path of the image to be made. */
  readonly image: string;
  readonly driver: LoopbackDriverName;
  /** A source that answers nothing for so long is gone, in ms. */
  readonly requestTimeoutMs?: number | undefined;
  /** How long a source whose connection is lost is waited for, in ms. */
  readonly reconnectLimitMs?: number | undefined;
  /** Called with a sentence when the connection to the source is lost and tried again, or there again. */
  readonly onNotice?: (message: string) => void;
  readonly signal: AbortSignal;
  /** Called once with what will be done, before anything is written; return false to stop there (dry run). */
  readonly onPlan: (plan: CapturePlan, steps: readonly Step[]) => boolean;
  readonly listener: StepListener;
}

/** Bytes and times of a finished capture. */
export interface CaptureResult {
  readonly image: string;
  readonly virtualSize: number;
  readonly allocatedBytes: number;
  /** Used by the files of the source's file systems. */
  readonly usedBytes: number;
  readonly sourceBytesRead: number;
  readonly sourceBytesWritten: number;
  readonly elapsedMs: number;
}

/**
 * Captures a disk into an image: makes an empty sparse virtual disk, partitions and formats it like the source and
 * copies the files (US 8,209,680, "Disk Imaging", column 17). The source is never written.
 *
 * @returns undefined after a dry run
 * @throws {RefusedError} before anything is written
 * @throws {DiskferryError} when it failed; nothing is left behind and no image has the final name
 */
export async function capture(request: CaptureRequest): Promise<CaptureResult | undefined> {
  requireRoot('a capture');
  requireTools(TOOLS);
  await using session = openSession('capture');
  const image = new NewImage(request.image, session);
  const startMs = Date.now();
  const broken = new AbortController();
  const signal = AbortSignal.any([request.signal, broken.signal]);
  const watch = ({ failure }: SimulatedDisk): void => {
    failure.catch((error: unknown) => broken.abort(error));
  };
  try {
    const source = await attachSource(request, session, signal);
    watch(source);
    const plan = await planCapture(source, session);
    const steps = captureSteps(plan, image, { session, driver: request.driver, onAttached: watch });
    if (!request.onPlan(plan, steps)) return undefined;
    await refuseUnlessItFits(plan, image);
    await runSteps(steps, request.listener, signal);
    const allocatedBytes = await image.finish();
    const { sourceBytesRead, sourceBytesWritten } = await source.counters();
    return {
      image: image.path,
      virtualSize: source.size,
      allocatedBytes,
      usedBytes: plan.volumes.reduce((sum, { fileSystem }) => sum + fileSystem.usedBytes, 0),
      sourceBytesRead,
      sourceBytesWritten,
      elapsedMs: Date.now() - startMs,
    };
  } catch (error) {
    throw await rootCause(error, image, signal);
  }
}

async function attachSource(
  { source, driver, requestTimeoutMs, reconnectLimitMs, onNotice }: CaptureRequest,
  session: Session,
  signal: AbortSignal,
): Promise<SimulatedDisk> {
  return attachDisk(source, {
    session,
    mode: 'copy-on-write',
    driver,
    signal,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...(reconnectLimitMs === undefined ? {} : { reconnectLimitMs }),
    ...(onNotice === undefined ? {} : { onNotice }),
  });
}

async function refuseUnlessItFits({ estimatedBytes }: CapturePlan, image: NewImage): Promise<void> {
  const free = await image.freeBytes();
  if (free >= estimatedBytes) return;
  throw new RefusedError(
    'TARGET_TOO_SMALL',
    `the image needs about ${formatBytes(estimatedBytes)}, the folder of ${image.path} has ${formatBytes(free)} free`,
  );
}

/** What really went wrong: an interruption, a lost source or a full folder shows itself first as an I/O error. */
async function rootCause(error: unknown, image: NewImage, signal: AbortSignal): Promise<unknown> {
  if (error instanceof RefusedError) return error;
  for (let waited = 0; !signal.aborted && waited < REASON_GRACE_MS; waited += 50) await sleep(50);
  const reason: unknown = signal.aborted ? signal.reason : error;
  if (reason instanceof InterruptedError || !(await isFull(image))) return reason;
  return new DiskferryError('TARGET_FULL', `the folder of ${image.path} is full: ${messageOf(reason)}`, {
    cause: reason,
  });
}

async function isFull(image: NewImage): Promise<boolean> {
  try {
    return (await image.freeBytes()) < FULL_BYTES;
  } catch {
    return false;
  }
}
