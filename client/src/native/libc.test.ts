import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { libc } from './libc.ts';

const execute = promisify(execFile);
const BOUND_MS = 60_000;

function runNode(...args: string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  // Without the variable of the test runner, so that a file of tests runs as if started by hand.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  return execute(process.execPath, args, { cwd: import.meta.dirname, timeout: BOUND_MS, env });
}

test('the C library is there, and a failed call has a name', () => {
  assert.equal(libc?.lseek(999_999, 0n, 0), -1n);
  assert.equal(libc?.errorName(), 'EBADF');
});

test('nothing is printed when native calls are loaded', async () => {
  const { stdout, stderr } = await runNode(
    '--eval',
    `import('./libc.ts').then((m) => console.log(typeof m.libc))`,
  );
  assert.equal(stdout, 'object\n');
  assert.equal(stderr, '');
});

test('warnings that follow are printed as ever', async () => {
  const { stderr } = await runNode(
    '--eval',
    `import('./libc.ts').then(() => process.emitWarning('careful'))`,
  );
  assert.match(stderr, /Warning: careful/);
});

test('disks are read, written, zeroed and discarded also without native calls', async () => {
  const file = join(import.meta.dirname, '../disks/block-disk.test.ts');
  const { stdout } = await runNode('--no-experimental-ffi', '--test', '--test-reporter=tap', file);
  assert.match(stdout, /# fail 0/);
  assert.doesNotMatch(stdout, /# pass 0/);
});
