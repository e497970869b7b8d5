import { attach, mountReadOnly, sourceOf } from '../setup/simulated-disk.ts';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '@diskferry/system/run';
import { startImagingClient } from '../setup/imaging-client.ts';
import { makeOtherMachine } from '../setup/network.ts';
import { missing, notRoot } from '../setup/programs.ts';
import { MIB, scratchFolder } from '../setup/scratch.ts';
import { accepts } from '../setup/wait.ts';

const CUT_MS = Number(process.env['DISKFERRY_CUT_SECONDS'] ?? 60) * 1000;
const FILES = 40;

const skip = notRoot || missing('ip', 'mkfs.ext4');

test('a file system on a simulated disk sees a delay when the cable is pulled for a minute', {
  skip,
}, async (t) => {
  const folder = scratchFolder(t);
  const machine = await makeOtherMachine(t);
  const { image, sums } = await makeFileSystem(folder);
  const client = await startImagingClient(t, {
    disks: [image],
    host: machine.address,
    prefix: machine.prefix,
    isReady: (port) => accepts(port, machine.address),
  });
  const notices: string[] = [];
  const disk = await attach(t, sourceOf(client, image), {
    reconnectLimitMs: CUT_MS + 60_000,
    requestTimeoutMs: 5000,
    onNotice: (message) => void notices.push(message),
  });
  const mountPoint = await mountReadOnly(t, disk.device);

  const names = [...sums.keys()];
  const [before, during] = [names.slice(0, FILES / 4), names.slice(FILES / 4)];
  for (const name of before) assert.equal(await sumOf(join(mountPoint, name)), sums.get(name));
  await machine.setCable(false);
  const replugged = sleep(CUT_MS).then(() => machine.setCable(true));
  // All at once, and one after the other: each waits for the cable, and none fails.
  const [first, ...others] = during;
  assert.ok(first !== undefined);
  const waiting = [first, ...others.slice(0, 8)].map(async (name) => {
    assert.equal(await sumOf(join(mountPoint, name)), sums.get(name));
  });
  await replugged;
  await Promise.all(waiting);
  for (const name of others.slice(8)) assert.equal(await sumOf(join(mountPoint, name)), sums.get(name));
  assert.match(notices.join('\n'), /lost[^]*there again/);
  assert.ok(client.isRunning());
});

/** An ext4 file system full of files, and what their checksums are by name. */
async function makeFileSystem(folder: string): Promise<{ image: string; sums: Map<string, string> }> {
  const tree = join(folder, 'tree');
  mkdirSync(tree);
  const sums = new Map<string, string>();
  for (let count = 0; count < FILES; count++) {
    const bytes = randomBytes(MIB + count * 1000);
    writeFileSync(join(tree, `file-${count}`), bytes);
    sums.set(`file-${count}`, createHash('sha256').update(bytes).digest('hex'));
  }
  const image = join(folder, 'disk.raw');
  writeFileSync(image, '');
  truncateSync(image, 2 * FILES * MIB);
  await run(['mkfs.ext4', '-q', '-d', tree, image]);
  return { image, sums };
}

async function sumOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
