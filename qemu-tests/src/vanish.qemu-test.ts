import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { test } from 'node:test';
import { listSessions, openSession } from '@diskferry/system/session';
import { withBootedClient } from './booted-client.ts';
import { diskferry } from './diskferry.ts';
import { makeSourceComputer } from './source-computers/source-computer.ts';
import { workFile } from './work-files.ts';

/** When no answer comes for so long, the machine is gone; the command's default is longer. */
const SILENCE_SECONDS = 10;
/** How long it is waited for then; the default is two minutes. */
const RECONNECT_SECONDS = 10;
const CAPTURE_TIMEOUT_MS = 900_000;
/** Far into the copying of files: the tables of the file system are less. */
const MID_CAPTURE = /sda: (?:[3-9]\d|\d{3})(?:\.\d)? MB read/;

test('a machine that vanishes during a capture ends it with a sentence, and nothing stays behind', async () => {
  const computer = await makeSourceComputer('bios-mbr');
  await using session = openSession('vanish-test');
  const image = await workFile(session, 'vanish.qcow2');
  const disks = [{ path: computer.diskPath, format: 'raw', bus: 'ahci', snapshot: true }] as const;
  let capturePid: number | undefined;
  const result = await withBootedClient(
    { name: 'vanish', session, disks },
    async ({ machine, diskAddress, connectionWords }) => {
      const limits = [`--timeout=${SILENCE_SECONDS}`, `--reconnect=${RECONNECT_SECONDS}`];
      const words = ['capture', ...limits, ...connectionWords, diskAddress('sda'), image];
      const onStart = (pid: number) => {
        capturePid = pid;
      };
      const capture = diskferry(words, { onStart, timeoutMs: CAPTURE_TIMEOUT_MS, okExitCodes: [0, 1, 2] });
      await Promise.race([capture, machine.waitForSerial(MID_CAPTURE, { timeoutMs: CAPTURE_TIMEOUT_MS })]);
      await machine.kill();
      return capture;
    },
  );
  assert.ok(capturePid !== undefined);
  assert.equal(result.exitCode, 1, `${result.stdout}\n${result.stderr}`);
  assert.match(result.stderr, /127\.0\.0\.1/);
  assert.doesNotMatch(result.stderr, /^\s+at /m);
  const left = (await readdir(dirname(image))).filter((name) => name.includes(basename(image)));
  assert.deepEqual(left, []);
  assert.deepEqual(
    listSessions().filter(({ owner }) => owner?.pid === capturePid),
    [],
  );
});
