import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiJob } from '../api/routes/jobs.ts';
import { doingOf, endOf, farOf, subjectOf } from './job-words.ts';

const JOB: ApiJob = {
  id: 'J',
  kind: 'capture',
  state: 'running',
  priority: 0,
  spec: { computer: 'web1', disk: 'sda', image: 'web' },
  createdBy: 'admin',
  createdAt: '2026-11-23T05:00:00.000Z',
  startedAt: '2026-11-23T05:00:01.000Z',
  attempt: 1,
  maxAttempts: 3,
  progress: { step: 'copy files', doneBytes: 1e9, totalBytes: 4e9, secondsLeft: 95 },
};

test('what a job is about is told in the direction in which data go', () => {
  assert.equal(subjectOf(JOB), 'sda@web1 → web');
  assert.equal(subjectOf({ kind: 'deploy', spec: { image: 'web:3', computer: 'web2' } }), 'web:3 → web2');
  assert.equal(subjectOf({ kind: 'power', spec: { computer: 'web2', action: 'on' } }), 'web2');
  assert.equal(subjectOf({ kind: 'import-image', spec: { name: 'old' } }), 'old');
  assert.equal(subjectOf({ kind: 'convert', spec: { image: 'web:3', name: 'small' } }), 'web:3 → small');
});

test('how far a job is, in each state', () => {
  assert.equal(farOf(JOB), '25% of 4.0 GB, 1 min 35 s left');
  assert.equal(farOf({ ...JOB, progress: { step: 'wait', doneBytes: 0, totalBytes: 0 } }), 'wait');
  assert.equal(farOf({ ...JOB, state: 'queued' }), '');
  assert.equal(farOf({ ...JOB, state: 'failed', error: { code: 'GONE', message: 'x' } }), 'GONE');
  assert.equal(doingOf(JOB), 'copy files');
  assert.equal(doingOf({ ...JOB, state: 'queued', attempt: 0 }), 'waits for its turn');
  assert.equal(doingOf({ ...JOB, state: 'queued' }), 'waits to be begun again');
  const later = '2999-01-01T00:00:00.000Z';
  assert.equal(doingOf({ ...JOB, state: 'queued', startAfter: later }), `waits until ${later}`);
});

test('how a job ended', () => {
  const endedAt = '2026-11-23T05:01:04.000Z';
  assert.equal(
    endOf({ ...JOB, state: 'succeeded', endedAt, result: { image: 'web:4' } }),
    'capture sda@web1 → web: done, image web:4, 1 min 03 s',
  );
  assert.equal(
    endOf({ ...JOB, state: 'failed', error: { code: 'X', message: 'the disk is gone' } }),
    'capture sda@web1 → web has failed: the disk is gone (job J)',
  );
  assert.equal(endOf({ ...JOB, state: 'cancelled' }), 'capture sda@web1 → web was cancelled (job J)');
});
