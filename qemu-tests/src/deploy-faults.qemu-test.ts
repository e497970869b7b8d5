import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Machine } from '@diskferry/server/qemu/machine';
import { type CliProcess, startCli } from '@diskferry/server/testing/cli-process';
import { leftovers } from '@diskferry/server/testing/leftovers';
import { openSession } from '@diskferry/system/session';
import { withBootedClient } from './booted-client.ts';
import { deployWords, emptyDisk, imageOf } from './deploy.ts';
import { diskferry } from './diskferry.ts';
import { reset } from './reset.ts';
import { differencesOfDisks, partitionTableOf } from './same-files.ts';
import { makeSourceComputer } from './source-computers/source-computer.ts';

const MIB = 1024 * 1024;
const DISK_BYTES = 1525 * MIB;
/** When no answer comes for so long, the computer is gone, and it is waited for so long then; in seconds. */
const LIMITS = ['--timeout=10', '--reconnect=20'];
const DEPLOY_TIMEOUT_MS = 600_000;
/** 10 MB of files and more; all of them are several hundred. */
const COPIES = /"step":"partition 1: make ext4[^\n]*"doneBytes":\d{8}/;

test('a computer that loses its network, or is reset, in a deploy has no valid disk, and gets it by a rerun', async (context) => {
  const computer = await makeSourceComputer('bios-mbr', {
    sizeBytes: DISK_BYTES,
    fillWithJunk: false,
    fileAtEnd: true,
  });
  await using session = openSession('deploy-faults-test');
  const image = await imageOf(computer, session);
  const path = await emptyDisk(session, 'destination.raw', DISK_BYTES);
  const disk = { path, sectorSize: 512 } as const;
  const runFolder = mkdtempSync(join(tmpdir(), 'diskferry-faults-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    await diskferry(['cleanup'], { timeoutMs: DEPLOY_TIMEOUT_MS, env: { DISKFERRY_RUN: runFolder } });
    rmSync(runFolder, { recursive: true });
  });
  const disks = [{ path, format: 'raw', bus: 'virtio', unsafeCache: true }] as const;

  await withBootedClient({ name: 'deploy-faults', session, disks }, async (client) => {
    const { machine } = client;
    const address = client.diskAddress('vda');
    const deploy = (connectionWords: readonly string[], furtherWords: readonly string[] = []): CliProcess => {
      const words = deployWords({ connectionWords }, { image, address, words: furtherWords });
      return startCli(words, { env: { DISKFERRY_RUN: runFolder }, boundMs: DEPLOY_TIMEOUT_MS });
    };

    /** Breaks a deploy in the middle, and finds that it failed in words, with a disk that nobody takes for whole. */
    async function broken(
      connectionWords: readonly string[],
      breakIt: () => Promise<unknown>,
    ): Promise<void> {
      const cli = deploy(connectionWords, [...LIMITS, '--progress=json']);
      await cli.printed(COPIES);
      await breakIt();
      const { exitCode, stdout, stderr } = await cli.ended;
      assert.equal(exitCode, 1, `${stdout}\n${stderr}`);
      assert.match(stderr, /diskferry: .*127\.0\.0\.1/);
      assert.doesNotMatch(stderr, /^\s+at /m, 'a stack trace is no sentence');
      context.diagnostic(stderr.trim().split('\n').at(-1) ?? '');
      const { kind, warnings } = await partitionTableOf(disk);
      assert.deepEqual({ kind, warnings }, { kind: 'none', warnings: [] });
      assert.deepEqual(await leftovers(runFolder, []), []);
    }

    await broken(client.connectionWords, async () => setCable(machine, 'pulled'));
    await setCable(machine, 'plugged');
    // The right to write ends with the computer's start, at once.
    const again = await client.startedAgain(await reset(machine));
    let restart = 0;
    await broken(again, async () => {
      restart = await reset(machine);
    });
    const rerun = await deploy(await client.startedAgain(restart)).ended;
    assert.equal(rerun.exitCode, 0, rerun.stderr);
    assert.deepEqual(await leftovers(runFolder, []), []);
  });
  const found = { source: computer.diskPath, copy: disk, layout: computer.layout };
  assert.deepEqual(await differencesOfDisks(found, session), []);
});

async function setCable(machine: Machine, state: 'plugged' | 'pulled'): Promise<void> {
  await machine.qmp({ execute: 'set_link', arguments: { name: 'net', up: state === 'plugged' } });
}
