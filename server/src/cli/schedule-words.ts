import type { Schedule } from '../jobs/schedules.ts';
import { subjectOf } from './job-words.ts';

/** A row of the list: name, cron expression, time zone, job, next time or why there is none. */
export function scheduleCells(schedule: Schedule): string[] {
  const { name, cron, timeZone, job, problem } = schedule;
  const trouble = problem === undefined ? '' : ' (the last one failed; see show)';
  return [
    name,
    cron,
    timeZone,
    [job.kind, subjectOf(job), ...(job.group === undefined ? [] : [`for ${job.group}`])].join(' ').trim(),
    `${nextOf(schedule) ?? 'never'}${trouble}`,
  ];
}

/** When a schedule starts its next job, as the rest of a sentence. */
export function whenNext(schedule: Schedule): string {
  const next = nextOf(schedule);
  if (next === undefined) return 'no time fits any more';
  return schedule.enabled ? `the next job starts at ${next}` : 'it is off and starts no jobs';
}

function nextOf({ enabled, nextAt }: Schedule): string | undefined {
  return enabled ? nextAt : 'off';
}

/** All that is known of a schedule, in rows of two. */
export function scheduleDetails(schedule: Schedule): [string, string][] {
  const { id, name, cron, timeZone, job, lastAt, problem } = schedule;
  const rows: [string, string | undefined][] = [
    ['schedule', name],
    ['id', id],
    ['cron', `${cron} (${timeZone})`],
    ['job', job.kind],
    ...Object.entries(job.spec).map(([word, value]): [string, string] => [
      word,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
    ['for each of', job.group],
    ['priority', job.priority === undefined ? undefined : String(job.priority)],
    ['last', lastAt],
    ['next', nextOf(schedule) ?? 'never'],
    ['problem', problem],
  ];
  return rows.flatMap(([word, value]) => (value === undefined ? [] : [[word, value]]));
}
