import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { withMount } from './mount.ts';
import { openWorkbench } from './test-devices.ts';

const MIB = 1024 * 1024;

test('a device is free when its file system was unmounted, though a mount namespace of another process has a copy', async (t) => {
  const bench = openWorkbench(t);
  const device = await bench.loop(bench.file('disk', 16 * MIB));
  await run(['mke2fs', '-q', '-t', 'ext4', device]);
  await withMount(bench.session, device, { type: 'ext4', options: ['noatime'] }, async () => {
    const words = ['--mount', 'sh', '-c', 'echo there; exec sleep 1'];
    const other = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(other, 'exit');
    t.after(() => ended);
    await once(other.stdout, 'data');
  });
  await (await open(device, constants.O_RDONLY | constants.O_EXCL)).close();
});

test('a device that is mounted a second time is not waited for', async (t) => {
  const bench = openWorkbench(t);
  const device = await bench.loop(bench.file('disk', 16 * MIB));
  await run(['mke2fs', '-q', '-t', 'ext4', device]);
  const folder = await bench.mount(device);
  await withMount(bench.session, device, { type: 'ext4', options: ['noatime'] }, async () => {});
  await assert.rejects(open(device, constants.O_RDONLY | constants.O_EXCL), { code: 'EBUSY' });
  await bench.unmount(folder);
  await (await open(device, constants.O_RDONLY | constants.O_EXCL)).close();
});
