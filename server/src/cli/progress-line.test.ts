import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatProgress, startProgress } from './progress-line.ts';

test('a progress line tells share, bytes, rate, time left and what is being done', () => {
  assert.equal(
    formatProgress({ title: 'copy files', doneBytes: 1e9, totalBytes: 4e9, elapsedMs: 10_000 }),
    ' 25%  1.0 GB of 4.0 GB  100.0 MB/s  30 s left  copy files',
  );
});

test('without a rate yet, none is made up', () => {
  assert.equal(
    formatProgress({ title: 'start', doneBytes: 0, totalBytes: 4e9, elapsedMs: 10 }),
    '  0%  0 B of 4.0 GB  start',
  );
});

test('where nobody knows how much there is to do, only the step is told', () => {
  const state = { title: 'wait for the computer', doneBytes: 0, totalBytes: 0, elapsedMs: 5000 };
  assert.equal(formatProgress(state), 'wait for the computer');
});

test('the rate of work that was under way before is that since we watch', () => {
  assert.equal(
    formatProgress({ title: '', doneBytes: 3e9, totalBytes: 4e9, startBytes: 2e9, elapsedMs: 10_000 }),
    ' 75%  3.0 GB of 4.0 GB  100.0 MB/s  10 s left  ',
  );
});

test('more bytes than estimated do not pass 100 per cent', () => {
  assert.match(
    formatProgress({ title: '', doneBytes: 9, totalBytes: 8, elapsedMs: 10 }),
    /^100% {2}8 B of 8 B/,
  );
});

test('a log gets a line now and then, a terminal one that is redrawn', () => {
  for (const [isTTY, expected] of [
    [false, ['  0%  0 B of 10 B  a\n', ' 50%  5 B of 10 B  0 B/s  11 s left  a\n']],
    [
      true,
      ['\r\u001B[K  0%  0 B of 10 B  a', '\r\u001B[K 50%  5 B of 10 B  0 B/s  11 s left  a', '\r\u001B[K'],
    ],
  ] as const) {
    const written: string[] = [];
    let time = 0;
    const stream = { isTTY, write: (text: string) => written.push(text) } as unknown as typeof process.stderr;
    const progress = startProgress(10, { stream, now: () => time });
    progress.step('a');
    progress.update(1);
    time = 11_000;
    progress.update(5);
    progress.end();
    assert.deepEqual(written, expected);
  }
});
