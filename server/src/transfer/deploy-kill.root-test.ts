import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import { readPartitionTable } from '@diskferry/server-adapter/partitions/read-partition-table';
import { fileDisk } from '@diskferry/server-adapter/testing/file-disk';
import { seededRandom } from '@diskferry/server-adapter/testing/random-operations';
import { openWorkbench } from '../file-systems/test-devices.ts';
import { type CliProcess, runCli, startCli } from '../testing/cli-process.ts';
import { startImagingClient } from '../testing/imaging-client.ts';
import { leftovers } from '../testing/leftovers.ts';
import { attachRoot, makeSourceDisk, sha256 } from '../testing/source-disk.ts';

const MIB = 1024 * 1024;
const DISK_BYTES = 128 * MIB;
/** DISKFERRY_KILL_SEED: other moments than those of the last run. */
const SEED = Number(process.env['DISKFERRY_KILL_SEED'] ?? 1);
const KILLS = 20;
/** The last moments are those after the disk has become a valid one, in parts of the time until then. */
const SPAN = 1.2;
/** The first step that writes, the one after it, and the one that makes the disk a valid one. */
const WRITES = /clear /;
const CLEARED = /partition 1: make/;
const SIGNS = /sign the partition table/;

test('a deploy that is killed at any moment leaves no disk that looks whole, and a rerun makes it', async (t) => {
  const place = openWorkbench(t);
  const runFolder = join(place.folder, 'run');
  const env = { DISKFERRY_RUN: runFolder };
  const source = await makeSourceDisk(place);
  const disk = place.file('disk.raw', DISK_BYTES);
  const client = await startImagingClient(t, disk, ['--writable']);
  const words = ['deploy', '--insecure', '--yes', source, `nbd://${client}/disk.raw`];
  const content = await contentOf(source);

  await using stack = new AsyncDisposableStack();
  // Where the test fails, what a killed deploy has left holds the files of the workbench.
  stack.defer(async () => {
    await runCli(['cleanup'], { env });
  });

  /** Starts a deploy and waits until it writes. */
  async function startWriting(): Promise<CliProcess> {
    const cli = startCli(words, { env });
    t.after(() => cli.signalGroup('SIGKILL'));
    await cli.printed(WRITES);
    return cli;
  }

  async function contentOf(path: string): Promise<string> {
    const folder = await place.mount(await attachRoot(place, path, DISK_BYTES), 'ro,noload');
    const digest = await sha256(join(folder, 'content'));
    await place.unmount(folder);
    await place.session.release({ kind: 'loop', backing: path });
    return digest;
  }

  const whole = await startWriting();
  const began = performance.now();
  await whole.printed(SIGNS);
  let durationMs = performance.now() - began;
  const { exitCode, stderr } = await whole.ended;
  assert.equal(exitCode, 0, stderr);
  t.diagnostic(`seed ${SEED}; signed after ${Math.round(durationMs)} ms`);

  const random = seededRandom(SEED);
  let broken = 0;
  for (let count = 0; count < KILLS; count++) {
    // One moment in each twentieth of the time, so that none of its parts is left out.
    const afterMs = ((count + random()) / KILLS) * SPAN * durationMs;
    const cli = await startWriting();
    await Promise.race([sleep(afterMs), cli.ended]);
    killIfRunning(cli.pid);
    const { stderr: said } = await cli.ended;
    if (!SIGNS.test(said)) broken++;
    // The machine may have had other work when the whole one ran, and less now.
    else durationMs = Math.min(durationMs, afterMs);
    await assertNotWholeUnlessSigned(said, `killed after ${Math.round(afterMs)} ms`);
    const { stderr: cleanUp, exitCode: cleanedUp } = await runCli(['cleanup'], { env });
    assert.equal(cleanedUp, 0, cleanUp);
    await assertNotWholeUnlessSigned(said, `cleaned up, killed after ${Math.round(afterMs)} ms`);
    assert.deepEqual(await leftovers(runFolder, []), []);
  }
  assert.ok(broken > KILLS / 4, `only ${broken} deploys were broken off`);

  const rerun = await runCli(words, { env });
  assert.equal(rerun.exitCode, 0, rerun.stderr);
  assert.equal((await tableOf(disk)).kind, 'gpt');
  assert.equal(await contentOf(disk), content);
  assert.deepEqual(await leftovers(runFolder, []), []);

  /** The disk has no table at either end; or the deploy came to sign it, and then all of its files are there. */
  async function assertNotWholeUnlessSigned(said: string, when: string): Promise<void> {
    const { kind, warnings } = await tableOf(disk);
    if (SIGNS.test(said) && kind === 'gpt') {
      assert.equal(await contentOf(disk), content, when);
      return;
    }
    assert.equal(kind, 'none', when);
    // Of the table that was there before, the start goes first.
    if (CLEARED.test(said)) assert.deepEqual(warnings, [], when);
  }
});

async function tableOf(path: string): Promise<PartitionTable> {
  return readPartitionTable(fileDisk(path));
}

/** Kills one process and not its group: what it started must end by itself, or by the clean-up. */
function killIfRunning(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
