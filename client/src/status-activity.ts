import type { DiskInfo } from '@diskferry/protocol/inventory';
import { formatSize } from './disks/disk-size.ts';
import type { DiskActivity } from './server/activity.ts';
import { wrap } from './status-lines.ts';

/** Over so long a time a rate is measured, in ms: what reads ahead comes in bursts. */
const WINDOW_MS = 10_000;
const MS_PER_SECOND = 1000;
const PERCENT = 100;

/** What servers do with one disk, and how fast; in bytes per second. */
export interface MeasuredActivity extends DiskActivity {
  readonly bytesPerSecond: number;
}

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

/** Measures how fast disks are read and written, from what is counted every now and then. */
export class ActivityMeter {
  readonly #samples = new Map<string, Sample[]>();

  /** @param nowMs of a clock that never jumps */
  measure(activities: readonly DiskActivity[], nowMs: number): readonly MeasuredActivity[] {
    return activities.map((activity) => {
      const sample = { atMs: nowMs, bytes: activity.bytesRead + activity.bytesWritten };
      const before = this.#samples.get(activity.disk) ?? [];
      const samples = [...before.filter(({ atMs }) => nowMs - atMs <= WINDOW_MS), sample];
      this.#samples.set(activity.disk, samples);
      return { ...activity, bytesPerSecond: rateOf(samples) };
    });
  }
}

function rateOf(samples: readonly Sample[]): number {
  const [first] = samples;
  const last = samples.at(-1);
  const elapsedMs = first === undefined || last === undefined ? 0 : last.atMs - first.atMs;
  if (first === undefined || last === undefined || elapsedMs <= 0) return 0;
  return ((last.bytes - first.bytes) / elapsedMs) * MS_PER_SECOND;
}

export interface ActivityTextOptions {
  readonly columns: number;
  /** Tells how much of a disk was carried. */
  readonly disks: readonly Pick<DiskInfo, 'name' | 'size'>[];
  /** Leaves out what changes though nothing happens. */
  readonly isSteady?: boolean;
}

/** What servers do with the disks: one line a disk that was used, and not only looked at. */
export function activityLines(
  activities: readonly MeasuredActivity[],
  options: ActivityTextOptions,
): string[] {
  return activities
    .filter(
      ({ connections, bytesRead, bytesWritten, errors }) =>
        connections + bytesRead + bytesWritten + errors > 0,
    )
    .flatMap((activity) => [
      ...wrap(useLine(activity, options), { columns: options.columns, rest: '  ' }),
      ...errorLines(activity),
    ]);
}

function useLine(
  { disk, connections, peers, bytesRead, bytesWritten, bytesPerSecond }: MeasuredActivity,
  { disks, isSteady = false }: ActivityTextOptions,
): string {
  const size = disks.find(({ name }) => name === disk)?.size;
  const isMoving = !isSteady && connections > 0 && bytesPerSecond > 0;
  return [
    `connected: ${connections}${connections === 0 ? '' : ` from ${peers.join(' and ')}`}`,
    `${disk}: ${formatSize(bytesRead)} read`,
    ...(bytesWritten === 0 ? [] : [`${formatSize(bytesWritten)} written`]),
    ...(isMoving ? [`${formatSize(Math.round(bytesPerSecond))}/s`] : []),
    ...shareOf(Math.max(bytesRead, bytesWritten), size),
  ].join(', ');
}

/** Nothing is told of less than a hundredth, nor where the disk was read more than once. */
function shareOf(bytes: number, size: number | undefined): string[] {
  if (size === undefined || size === 0) return [];
  const share = Math.floor((bytes / size) * PERCENT);
  return share < 1 || bytes > size ? [] : [`${share} % of the disk`];
}

/** In one line, so that the reason can be searched for. */
function errorLines({ errors, lastError }: DiskActivity): string[] {
  return errors === 0 ? [] : [`errors: ${errors}, the last: ${lastError}`];
}
