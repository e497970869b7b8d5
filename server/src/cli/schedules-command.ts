import type { ApiClient } from '../api-client/api-client.ts';
import type { Schedule } from '../jobs/schedules.ts';
import { RefusedError } from '../refused-error.ts';
import { type Action, type ActionContext, actionCommand } from './action-command.ts';
import type { CliCommand } from './command.ts';
import { priorityOption, specOf } from './job-spec.ts';
import { formatTable, print, printJson, tellDone } from './output.ts';
import { scheduleCells, scheduleDetails, whenNext } from './schedule-words.ts';

export const schedulesCommand: CliCommand = actionCommand({
  name: 'schedules',
  summary: "list the server's schedules, which start jobs by the clock; make and remove them",
  details:
    'CRON is five words of crontab(5) in quotes, minute first, or six, second first. KIND and WORD=VALUE are those of\n' +
    '"diskferry jobs start". A time that passes while no server runs is made up for once. For example:\n' +
    'diskferry schedules add nightly "0 3 * * *" capture computer=web1 disk=sda image=web --zone Europe/Berlin',
  options: [
    { name: 'zone', value: 'ZONE', help: 'add: the time zone of CRON, such as Europe/Berlin (default UTC)' },
    { name: 'group', value: 'NAME', help: 'add: for each computer of a group, instead of computer=…' },
    { name: 'priority', value: 'N', help: 'add: that of its jobs; larger ones come first (default 0)' },
  ],
  actions: {
    list: { operands: [], help: 'the schedules, and when each comes next', run: list },
    show: { operands: ['NAME'], help: 'all that is known of one', run: show },
    add: {
      operands: ['NAME', 'CRON', 'KIND', '[WORD=VALUE]...'],
      help: 'start a job at these times',
      options: ['zone', 'group', 'priority'],
      run: add,
    },
    enable: turn(true, 'start its jobs again'),
    disable: turn(false, 'start no jobs until it is enabled again'),
    remove: { operands: ['NAME'], help: 'delete it; jobs that it has started go on', run: remove },
  },
});

async function list({ client, invocation: { flags } }: ActionContext): Promise<number> {
  const all = await (await client()).call('schedules');
  if (flags.has('json')) printJson(all);
  else if (all.length === 0) print('there is no schedule; see diskferry schedules --help');
  else print(formatTable([['NAME', 'CRON', 'ZONE', 'JOB', 'NEXT'], ...all.map(scheduleCells)]));
  return 0;
}

async function show({ client, words: [name = ''], invocation }: ActionContext): Promise<number> {
  const schedule = await findSchedule(await client(), name);
  if (invocation.flags.has('json')) printJson(schedule);
  else print(formatTable(scheduleDetails(schedule)));
  return 0;
}

async function add({
  client,
  words: [name, cron, kind, ...words],
  invocation,
}: ActionContext): Promise<number> {
  const job = {
    kind,
    spec: specOf(words),
    group: invocation.values.get('group'),
    priority: priorityOption(invocation),
  };
  const body = { name, cron, timeZone: invocation.values.get('zone'), job };
  const schedule = await (await client()).call('addSchedule', { body });
  return tellDone(schedule, `${schedule.name}: ${whenNext(schedule)}`, invocation.flags);
}

function turn(enabled: boolean, help: string): Action {
  return {
    operands: ['NAME'],
    help,
    run: async ({ client, words: [name = ''], invocation }) => {
      const api = await client();
      const { id } = await findSchedule(api, name);
      const schedule = await api.call('changeSchedule', { id, body: { enabled } });
      return tellDone(schedule, `${schedule.name}: ${whenNext(schedule)}`, invocation.flags);
    },
  };
}

async function remove({ client, words: [text = ''], invocation }: ActionContext): Promise<number> {
  const api = await client();
  const { id, name } = await findSchedule(api, text);
  await api.call('removeSchedule', { id });
  return tellDone({ id, name, removed: true }, `the schedule ${name} is deleted`, invocation.flags);
}

/** @throws {RefusedError} `SCHEDULE_MISSING` */
async function findSchedule(client: ApiClient, text: string): Promise<Schedule> {
  const all = await client.call('schedules');
  const found = all.find(({ id, name }) => id === text || name === text);
  if (found !== undefined) return found;
  const names = all.map(({ name }) => name).join(', ') || 'none';
  throw new RefusedError('SCHEDULE_MISSING', `${client.name} has no schedule ${text}; it has: ${names}`);
}
