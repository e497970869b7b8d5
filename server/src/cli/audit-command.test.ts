import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuditEntry } from '../access/audit-log.ts';
import { auditCells, auditCommand } from './audit-command.ts';
import { parseInvocation } from './command.ts';
import { timeOption } from './time-option.ts';

const AT = '2026-11-23T05:00:00.000Z';
const ENTRY: AuditEntry = {
  id: 'A',
  at: AT,
  userName: 'eve',
  tokenName: 'laptop',
  action: 'jobs.start',
  subject: { kind: 'job', id: 'J' },
  outcome: 'refused',
  detail: {},
  remoteAddress: '192.0.2.7',
};

test('an entry tells who did what to what, and from where', () => {
  assert.deepEqual(auditCells(ENTRY), [AT, 'eve (laptop)', 'jobs.start', 'REFUSED', 'job J', '192.0.2.7']);
  const own: AuditEntry = { id: 'A', at: AT, action: 'jobs.start', outcome: 'done', detail: {} };
  assert.deepEqual(auditCells(own), [AT, '', 'jobs.start', 'done', '', '']);
});

test('times are given to the API in UTC, and what is no time is refused', () => {
  const { signal } = new AbortController();
  const read = (text: string): string | undefined =>
    timeOption(parseInvocation(auditCommand, ['--since', text], signal), 'since');
  assert.equal(read('2026-11-23T06:00:00+01:00'), AT);
  assert.throws(() => read('yesterday'), { code: 'USAGE', message: /^--since takes a time such as/ });
});
