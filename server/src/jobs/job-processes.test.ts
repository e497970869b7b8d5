import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { endJobProcesses, jobEnvironment } from './job-processes.ts';

test('what works on a job is waited for, with all that it has started; other jobs are left alone', async (t) => {
  const start = (job: string, script: string): ReturnType<typeof spawn> => {
    const child = spawn('sh', ['-c', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...jobEnvironment(job) },
    });
    t.after(() => child.kill('SIGKILL'));
    return child;
  };
  // The shell ends at once; what it has started holds its output open, and gives things back for a while.
  const mine = start('job-1', 'echo started; (sleep 1; echo given back) &');
  const other = start('job-2', 'exec sleep 60');
  let said = '';
  mine.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const closed = once(mine, 'close');
  await once(mine, 'exit');
  await endJobProcesses('job-1', new AbortController().signal);
  await closed;
  assert.equal(said, 'started\ngiven back\n');
  assert.equal(other.exitCode, null);
});
