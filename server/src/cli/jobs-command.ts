import { UsageError } from '@diskferry/system/errors';
import { hasEnded, JOB_STATES } from '../jobs/job-states.ts';
import type { ApiJob } from '../api/routes/jobs.ts';
import type { ApiClient } from '../api-client/api-client.ts';
import type { RouteName } from '../api-client/routes.ts';
import { type Action, type ActionContext, actionCommand } from './action-command.ts';
import { choiceOption, type CliCommand, type Invocation } from './command.ts';
import { priorityOption, specOf } from './job-spec.ts';
import { farOf, subjectOf } from './job-words.ts';
import { followLog, logLine, readLog } from './job-log.ts';
import { limitOption } from './limit-option.ts';
import { formatTable, print, printJson, printJsonLine } from './output.ts';
import { PROGRESS_OPTION } from './progress-option.ts';
import { timeOption } from './time-option.ts';
import { afterStart, DETACH_OPTION, endWithJob, tellEnd, watchJob } from './watch-job.ts';

const DEFAULT_LIMIT = 20;

export const jobsCommand: CliCommand = actionCommand({
  name: 'jobs',
  summary: "list the server's jobs, watch them, end them, start them",
  details:
    'A job belongs to the server and goes on when this command, or the computer it runs on, ends: Ctrl-C only ends the\n' +
    'watching. follow, and start without --detach, end with 0 if the job has succeeded and with 1 if it has not.\n' +
    'docs/server.md lists the kinds of jobs and their words, such as: diskferry jobs start power computer=web1 action=off',
  options: [
    { name: 'state', value: 'STATE', help: `list: only ${JOB_STATES.join(', ')}` },
    { name: 'kind', value: 'KIND', help: 'list: only those of a kind, such as capture' },
    { name: 'limit', value: 'N', help: `list: so many, newest first (default ${DEFAULT_LIMIT})` },
    { name: 'follow', help: 'log, retry: go on until the job has ended' },
    { name: 'priority', value: 'N', help: 'start: larger ones come first (default 0)' },
    { name: 'group', value: 'NAME', help: 'start: for each computer of a group, instead of computer=…' },
    { name: 'at', value: 'TIME', help: 'start: not before that time, such as 2027-01-31T03:00:00Z' },
    DETACH_OPTION,
    PROGRESS_OPTION,
  ],
  actions: {
    list: {
      operands: [],
      help: 'the newest jobs',
      options: ['state', 'kind', 'limit'],
      run: list,
    },
    show: { operands: ['ID'], help: 'all that is known of a job', run: show },
    follow: {
      operands: ['ID'],
      help: 'watch a job until it has ended',
      options: ['progress'],
      run: async ({ client, words: [id = ''], invocation }) => endWithJob(await client(), id, invocation),
    },
    log: { operands: ['ID'], help: 'its log', options: ['follow'], run: log },
    pause: change('pauseJob', 'let a job that waits wait on'),
    resume: change('resumeJob', 'let a paused job go on'),
    cancel: change('cancelJob', 'end a job; what it holds is given back, and an image half made is removed'),
    retry: { ...change('retryJob', 'begin a job again that has failed'), options: ['follow', 'progress'] },
    start: {
      operands: ['KIND', '[WORD=VALUE]...'],
      help: 'start a job of any kind',
      options: ['group', 'priority', 'at', 'detach', 'progress'],
      run: start,
    },
  },
});

async function list({ client, invocation }: ActionContext): Promise<number> {
  const { values } = invocation;
  const query = {
    state: choiceOption(invocation, 'state', JOB_STATES),
    kind: values.get('kind'),
    limit: limitOption(invocation) ?? DEFAULT_LIMIT,
  };
  const jobs = await (await client()).call('jobs', { query });
  if (invocation.flags.has('json')) printJson(jobs);
  else print(jobs.length === 0 ? 'there is no such job' : tableOf(jobs));
  return 0;
}

function tableOf(jobs: readonly ApiJob[]): string {
  const rows = jobs.map((job) => [
    job.id,
    job.kind,
    subjectOf(job),
    job.state,
    farOf(job),
    job.createdBy,
    job.createdAt,
  ]);
  return formatTable([['ID', 'KIND', 'WHAT', 'STATE', 'PROGRESS', 'BY', 'SINCE'], ...rows]);
}

async function show({ client, words: [id = ''], invocation }: ActionContext): Promise<number> {
  const job = await (await client()).call('job', { id });
  if (invocation.flags.has('json')) printJson(job);
  else print(describe(job));
  return 0;
}

function describe(job: ApiJob): string {
  const rows: [string, string | undefined][] = [
    ['job', job.id],
    ['kind', job.kind],
    ['state', job.state],
    ...Object.entries(job.spec).map(([name, value]): [string, string] => [name, textOf(value)]),
    ['priority', job.priority === 0 ? undefined : String(job.priority)],
    ['created', `${job.createdAt} by ${job.createdBy}`],
    ['not before', job.startAfter],
    ['started', job.startedAt],
    ['ended', job.endedAt],
    ['attempt', job.attempt === 0 ? undefined : `${job.attempt} of ${job.maxAttempts}`],
    ['progress', hasEnded(job.state) ? undefined : farOf(job) || undefined],
    ['error', job.error && `${job.error.message} (${job.error.code})`],
    ...Object.entries(job.result ?? {}).map(([name, value]): [string, string] => [
      `→ ${name}`,
      textOf(value),
    ]),
  ];
  return formatTable(rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

async function log({ client, words: [id = ''], invocation }: ActionContext): Promise<number> {
  const { flags, signal } = invocation;
  const api = await client();
  if (flags.has('follow')) {
    await followLog(api, id, {
      signal,
      show: (line) => (flags.has('json') ? printJsonLine(line) : print(logLine(line))),
    });
    return 0;
  }
  const lines = await readLog(api, id);
  if (flags.has('json')) printJson(lines);
  else if (lines.length > 0) print(lines.map(logLine).join('\n'));
  return 0;
}

type JobChange = Extract<RouteName, 'pauseJob' | 'resumeJob' | 'cancelJob' | 'retryJob'>;

function change(route: JobChange, help: string): Action {
  return {
    operands: ['ID'],
    help,
    run: async ({ client, words: [id = ''], invocation }) => {
      const { flags } = invocation;
      const api = await client();
      const job = await api.call(route, { id });
      if (flags.has('follow')) return endWithJob(api, id, invocation);
      if (flags.has('json')) printJson(job);
      else if (route === 'cancelJob' && !hasEnded(job.state)) print(`${id} is being ended`);
      else print(`${id} is ${job.state}`);
      return 0;
    },
  };
}

async function start({ client, words: [kind = '', ...words], invocation }: ActionContext): Promise<number> {
  const { values } = invocation;
  const startAfter = timeOption(invocation, 'at');
  const body = {
    kind,
    spec: specOf(words),
    priority: priorityOption(invocation),
    startAfter,
  };
  const api = await client();
  const group = values.get('group');
  if (group === undefined) return afterStart(api, await api.call('startJob', { body }), invocation);
  if (startAfter !== undefined) throw new UsageError('--group and --at exclude each other');
  const jobs = await api.call('startJobs', { body: { ...body, group } });
  if (!invocation.flags.has('json')) print(jobs.length === 0 ? `${group} has no computers` : tableOf(jobs));
  if (!invocation.flags.has('detach')) return endWithJobs(api, jobs, invocation);
  if (invocation.flags.has('json')) printJson(jobs);
  return 0;
}

/** Follows jobs to their ends, one after the other. @returns 0 if all have succeeded */
async function endWithJobs(api: ApiClient, jobs: readonly ApiJob[], invocation: Invocation): Promise<number> {
  const asJson = invocation.flags.has('json');
  const ended: ApiJob[] = [];
  for (const { id } of jobs) {
    const job = await watchJob(api, id, invocation);
    if (typeof job === 'number') return job;
    ended.push(job);
    if (!asJson) await tellEnd(api, job, invocation);
  }
  if (asJson) printJson(ended);
  return ended.every(({ state }) => state === 'succeeded') ? 0 : 1;
}
