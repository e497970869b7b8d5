import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inMountNamespace } from './mount-namespace.ts';
import { run } from './run.ts';

test('a mount namespace keeps no disk busy that is unmounted outside', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry namespace-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const image = join(folder, 'image');
  const mounted = join(folder, 'mounted here');
  writeFileSync(image, '');
  truncateSync(image, 8 * 1024 * 1024);
  mkdirSync(mounted);
  await run(['mke2fs', '-q', '-t', 'ext2', image]);
  await run(['mount', '-o', 'loop', image, mounted]);
  t.after(() => run(['umount', '--lazy', '--quiet', mounted], { okExitCodes: [0, 1, 32] }));
  const [program, ...words] = inMountNamespace('echo inside && exec "$@"', ['sleep', '60']);
  const inside = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => inside.kill('SIGKILL'));
  await once(inside.stdout, 'data');
  await run(['umount', mounted]);
  // The loop device goes with its last user, which the kernel may do a moment later.
  let left = image;
  for (let waited = 0; left !== '' && waited < 20_000; waited += 100) {
    left = (await run(['losetup', '--noheadings', '--associated', image])).stdout;
    if (left !== '') await sleep(100);
  }
  assert.equal(left, '');
});
