import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

const MAIN = join(import.meta.dirname, '../main.ts');
/** Far more than any test needs; a test that waits so long has failed. */
const BOUND_MS = 60_000;

/** The imaging client on a terminal of its own, as a person would see it and type there. */
async function startOnTerminal(context: TestContext, type: string, ...options: string[]) {
  const root = mkdtempSync(join(tmpdir(), 'diskferry-console-'));
  const script = join(root, 'usr/lib/diskferry/leave');
  mkdirSync(join(root, 'usr/lib/diskferry'), { recursive: true });
  writeFileSync(script, `#!/bin/sh\necho "$1" >>'${root}/calls'\n`);
  chmodSync(script, 0o755);
  const disk = join(root, 'disk.img');
  writeFileSync(disk, '');
  truncateSync(disk, 1024 * 1024);
  const ports = ['--listen', '127.0.0.1', '--port', '0', '--control-port', '0'];
  const words = [MAIN, '--insecure', ...ports, '--disk', disk, '--system', root, ...options];
  const command = [process.execPath, ...words].map((word) => `'${word}'`).join(' ');
  // Makes the terminal, and ends what runs on it when its own input ends or it is ended.
  const child = spawn('script', ['-qfc', `exec ${command} --console $(tty)`, '/dev/null'], {
    env: { ...process.env, TERM: type },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  context.after(async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(root, { recursive: true });
  });
  let from = 0;
  return {
    root,
    calls: () => readFileSync(join(root, 'calls'), 'utf8'),
    output: () => output,
    type: (text: string) => child.stdin.write(text),
    /** Waits until something matches that was not there at the last call. */
    shows: async (pattern: RegExp): Promise<void> => {
      const signal = AbortSignal.timeout(BOUND_MS);
      const ended = exited.then(() => {
        throw new Error(`the client ended; it showed: ${output}`);
      });
      ended.catch(() => {});
      for (;;) {
        const match = pattern.exec(output.slice(from));
        if (match !== null) {
          from += match.index + match[0].length;
          return;
        }
        await Promise.race([once(child.stdout, 'data', { signal }), ended]);
      }
    },
  };
}

test('on a dumb terminal keys set the network up and leave the system, in plain lines', async (context) => {
  const { calls, output, root, shows, type } = await startOnTerminal(context, 'dumb');
  await shows(/waiting for the server\r?\nKeys: N network, D start from disk, R restart, P power off/);
  type('n');
  await shows(/dhcp or static \[dhcp\]: |Network card \[\w+\]: /);
  type('\x1b');
  await shows(/Nothing was changed\./);
  type('p');
  await shows(/power off: sure\? Type yes \[no\]: /);
  type('\r');
  await shows(/Nothing was changed\./);
  type('r');
  await shows(/restart: sure\? Type yes \[no\]: /);
  type('yes\r');
  await shows(/restart: the computer leaves the secondary OS[^]*The system is ending\./);
  type('\r');
  await shows(/waiting for the server/);
  assert.equal(calls(), 'reboot\n', root);
  assert.ok(!output().includes('\u001b'), 'no line steers the terminal');
});

test('on a terminal that can, the page is drawn over itself and the screen left in order', async (context) => {
  const { calls, shows, type } = await startOnTerminal(context, 'linux');
  await shows(/\[Hdiskferry imaging client [^]*Keys: N network/);
  type('d');
  await shows(/\[H[^]*start from disk: sure\? Type yes \[no\]: /);
  type('yes\r');
  await shows(/The firmware's own order decides what is started\.[^]*The system is ending\./);
  assert.equal(calls(), 'prepare\nreboot\n');
});

test('a shell is opened only where that is allowed, and the screen comes back after it', async (context) => {
  const { shows, type } = await startOnTerminal(context, 'dumb', '--allow-shell');
  await shows(/S shell/);
  type('s');
  await shows(/# /);
  type('echo in-$((40+2)); test -t 0 && echo on-a-terminal; exit\r');
  await shows(/in-42\r?\non-a-terminal/);
  await shows(/waiting for the server\r?\nKeys:/);
});
