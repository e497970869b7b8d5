import { formatBytes, formatDuration } from '@diskferry/system/units';
import type { ApiJob } from '../api/routes/jobs.ts';

/** What a job is about, as whoever started it wrote it: `sda@web1 → web`. */
export function subjectOf({ kind, spec }: Pick<ApiJob, 'kind' | 'spec'>): string {
  const word = (name: string): string | undefined => {
    const value = spec[name];
    return typeof value === 'string' ? value : undefined;
  };
  const computer = word('computer');
  const disk = word('disk');
  const place = computer === undefined ? undefined : disk === undefined ? computer : `${disk}@${computer}`;
  const image = word('image');
  const ends = kind === 'capture' ? [place, image] : [image, place, word('name')];
  return ends.filter((part) => part !== undefined).join(' → ');
}

/** What a job does now, in a few words. */
export function doingOf({ state, startAfter, attempt, progress }: ApiJob): string {
  switch (state) {
    case 'queued':
      if (startAfter !== undefined && Date.parse(startAfter) > Date.now()) return `waits until ${startAfter}`;
      return attempt > 0 ? 'waits to be begun again' : 'waits for its turn';
    case 'paused':
      return 'is paused';
    case 'running':
      return progress.step ?? 'begins';
    case 'succeeded':
    case 'failed':
    case 'cancelled':
      return '';
  }
}

/** How far a job is, in one cell of a table. */
export function farOf({ state, progress, error }: ApiJob): string {
  if (error !== undefined) return error.code;
  const { doneBytes, totalBytes, secondsLeft, step } = progress;
  if (state !== 'running') return '';
  if (totalBytes === 0) return step ?? '';
  const percent = Math.floor((100 * Math.min(doneBytes, totalBytes)) / totalBytes);
  const left = secondsLeft === undefined ? '' : `, ${formatDuration(secondsLeft * 1000)} left`;
  return `${percent}% of ${formatBytes(totalBytes)}${left}`;
}

/** How a job ended, as a sentence. */
export function endOf(job: ApiJob): string {
  const { id, kind, state, error } = job;
  const subject = subjectOf(job);
  const name = subject === '' ? kind : `${kind} ${subject}`;
  if (state === 'succeeded') return `${name}: done${tookOf(job)}`;
  if (state === 'failed') return `${name} has failed: ${error?.message ?? 'nobody knows why'} (job ${id})`;
  return state === 'cancelled' ? `${name} was cancelled (job ${id})` : `${name} is ${state} (job ${id})`;
}

function tookOf({ startedAt, endedAt, result }: ApiJob): string {
  const words: string[] = [];
  const image = result?.['image'];
  if (typeof image === 'string') words.push(`image ${image}`);
  if (startedAt !== undefined && endedAt !== undefined) {
    words.push(formatDuration(Date.parse(endedAt) - Date.parse(startedAt)));
  }
  return words.length === 0 ? '' : `, ${words.join(', ')}`;
}
