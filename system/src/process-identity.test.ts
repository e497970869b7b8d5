import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { endProcess, identifyProcess } from './process-identity.ts';

const BOUND_MS = 30_000;

test('a process that ends between the look at it and the signal has ended', async (t) => {
  // Not a child of this process: init takes it away while nothing else happens here.
  const pid = Number(execFileSync('sh', ['-c', 'sleep 600 >/dev/null 2>&1 & echo $!']));
  const identity = identifyProcess(pid);
  assert.ok(identity);
  const kill = process.kill.bind(process);
  t.mock.method(process, 'kill', (target: number, signal: NodeJS.Signals) => {
    kill(pid, 'SIGKILL');
    for (const end = Date.now() + BOUND_MS; existsSync(`/proc/${pid}`) && Date.now() < end; );
    return kill(target, signal);
  });
  assert.equal(await endProcess(identity), true);
  assert.ok(!existsSync(`/proc/${pid}`));
});
