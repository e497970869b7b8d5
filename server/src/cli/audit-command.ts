import type { AuditEntry } from '../access/audit-log.ts';
import { type CliCommand, type Invocation, JSON_OPTION, TIMEOUT_OPTION } from './command.ts';
import { limitOption } from './limit-option.ts';
import { formatTable, print, printJson } from './output.ts';
import { openClient, SERVER_OPTION } from './server-option.ts';
import { timeOption } from './time-option.ts';

const DEFAULT_LIMIT = 20;

export const auditCommand: CliCommand = {
  name: 'audit',
  operands: [],
  summary: 'who did or tried what on the server',
  details:
    'Newest first: every write, whether done, refused or failed, by which user and token, and from where. With --json also\n' +
    'what was asked for, without secrets. Needs the role administrator.',
  options: [
    { name: 'user', value: 'NAME', help: 'only what that user did' },
    { name: 'action', value: 'ACTION', help: 'only such as jobs.start' },
    { name: 'subject', value: 'ID', help: 'only what was done to that computer, job, image …' },
    { name: 'since', value: 'TIME', help: 'only from then on, such as 2027-01-31T03:00:00Z' },
    { name: 'until', value: 'TIME', help: 'only before that time' },
    { name: 'before', value: 'ID', help: 'only those older than that entry (an id of --json)' },
    { name: 'limit', value: 'N', help: `at most so many (default ${DEFAULT_LIMIT})` },
    JSON_OPTION,
    SERVER_OPTION,
    TIMEOUT_OPTION,
  ],
  keepsLeftovers: true,
  run: runAudit,
};

async function runAudit(invocation: Invocation): Promise<number> {
  const { values, flags } = invocation;
  const query = {
    userName: values.get('user'),
    action: values.get('action'),
    subjectId: values.get('subject'),
    since: timeOption(invocation, 'since'),
    until: timeOption(invocation, 'until'),
    before: values.get('before'),
    limit: limitOption(invocation) ?? DEFAULT_LIMIT,
  };
  const entries = await (await openClient(invocation)).call('audit', { query });
  if (flags.has('json')) printJson(entries);
  else if (entries.length === 0) print('there is no such entry');
  else print(formatTable([['AT', 'WHO', 'ACTION', 'OUTCOME', 'WHAT', 'FROM'], ...entries.map(auditCells)]));
  return 0;
}

/** A row of the list: time, user and token, action, outcome, subject, address. */
export function auditCells(entry: AuditEntry): string[] {
  const { at, userName, tokenName, action, outcome, subject, remoteAddress = '' } = entry;
  const token = tokenName === undefined ? '' : ` (${tokenName})`;
  return [
    at,
    userName === undefined ? '' : `${userName}${token}`,
    action,
    outcome === 'done' ? outcome : outcome.toUpperCase(),
    subject === undefined ? '' : `${subject.kind} ${subject.id}`,
    remoteAddress,
  ];
}
