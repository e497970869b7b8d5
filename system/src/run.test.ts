import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError, run, runJson, shellQuote } from './run.ts';

test('a command gives back what it wrote, with standard input closed and a fixed locale', async () => {
  const { stdout, exitCode } = await run(['sh', '-c', 'cat; echo "$LC_ALL"']);
  assert.equal(stdout, 'C.UTF-8\n');
  assert.equal(exitCode, 0);
});

test('input reaches the command', async () => {
  assert.equal((await run(['cat'], { input: 'abc' })).stdout, 'abc');
});

test('a failing command gives an error that can be pasted, with its last words', async () => {
  await assert.rejects(run(['sh', '-c', 'echo "no such disk" >&2; exit 3']), (error: CommandError) => {
    assert.equal(error.code, 'COMMAND_FAILED');
    assert.equal(error.exitCode, 3);
    assert.equal(
      error.message,
      `sh -c 'echo "no such disk" >&2; exit 3' ended with exit code 3: no such disk`,
    );
    return true;
  });
});

test('an expected exit code is a success', async () => {
  assert.equal((await run(['sh', '-c', 'exit 32'], { okExitCodes: [0, 32] })).exitCode, 32);
});

test('a missing program names the package to install', async () => {
  const before = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  try {
    await assert.rejects(run(['qemu-nbd', '--version']), {
      code: 'COMMAND_MISSING',
      message: 'the program qemu-nbd is not installed; install it with: apt-get install qemu-utils',
    });
  } finally {
    process.env['PATH'] = before;
  }
});

test('an abort ends the command', async () => {
  const controller = new AbortController();
  let pid = 0;
  const running = run(['sleep', '60'], {
    signal: controller.signal,
    onStart: (started) => {
      pid = started;
      controller.abort();
    },
  });
  await assert.rejects(running, { code: 'COMMAND_ENDED' });
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('a time-out ends the command', async () => {
  await assert.rejects(run(['sleep', '60'], { timeoutMs: 50 }), {
    code: 'COMMAND_ENDED',
    message: 'sleep 60 was ended by a time-out',
  });
});

test('JSON output is parsed', async () => {
  assert.deepEqual(await runJson(['echo', '{"a":1}']), { a: 1 });
});

test('a command is quoted as a person would type it', () => {
  assert.equal(shellQuote(['cp', '-a', "it's", '/a/b']), `cp -a 'it'\\''s' /a/b`);
});
