import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ApiAnswer,
  type ServeProcess,
  startServeProcess,
} from '@diskferry/server/serve/testing/serve-process';
import { run } from '@diskferry/system/run';
import { makeSourceComputer } from './source-computers/source-computer.ts';

const MIB = 1024 * 1024;
/** The cache has the same one for deploys. */
const SOURCE = { sizeBytes: 1525 * MIB, fillWithJunk: false, fileAtEnd: true } as const;
/** All jobs take less on an idle machine. */
const JOB_TIMEOUT_MS = 600_000;
const POLL_MS = 500;
const ENDED = ['succeeded', 'failed', 'cancelled'];

interface Place {
  readonly server: ServeProcess;
  /** Where images are. */
  readonly images: string;
}

async function serve(context: TestContext): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'dfq-'));
  const images = join(folder, 'images');
  mkdirSync(images);
  const folders = { stateFolder: join(folder, 's'), runFolder: join(folder, 'r') };
  const server = await startServeProcess(folders, ['--port', '0']);
  context.after(async () => {
    server.cli.signalGroup('SIGTERM');
    await server.cli.ended;
    rmSync(folder, { recursive: true });
  });
  return { server, images };
}

/** What a job tells when it has succeeded. */
async function doJob({ server }: Place, kind: string, spec: object): Promise<ApiAnswer['json']> {
  const { json: job } = await server.ask('POST', '/api/v1/jobs', { kind, spec });
  for (const deadline = Date.now() + JOB_TIMEOUT_MS; ; await sleep(POLL_MS)) {
    const { json: now } = await server.ask('GET', `/api/v1/jobs/${job.id}`);
    if (ENDED.includes(now.state)) {
      assert.equal(now.state, 'succeeded', JSON.stringify(now.error));
      return now.result;
    }
    assert.ok(Date.now() < deadline, `the job ${kind} has not ended within ${JOB_TIMEOUT_MS / 1000} s`);
  }
}

test('an image of a computer is converted for disks of 4096-byte sectors by a job, and another job proves that it starts', async (context) => {
  const { diskPath } = await makeSourceComputer('uefi-gpt', SOURCE);
  const place = await serve(context);
  const { json: location } = await place.server.ask('POST', '/api/v1/locations', {
    name: 'images',
    folder: place.images,
  });
  await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', diskPath, join(place.images, 'pc.qcow2')]);
  await doJob(place, 'import-image', { name: 'pc', location: location.id, file: 'pc.qcow2' });
  const { image } = await doJob(place, 'convert', { image: 'pc', name: 'pc-4096', sectorSize: 4096 });
  const proof = await doJob(place, 'boot-proof', { image });
  context.diagnostic(`login prompt after ${proof.seconds} s, redo log ${proof.redoLogBytes} bytes`);
  assert.deepEqual([proof.image, proof.boots, proof.firmware], ['pc-4096:1', true, 'uefi']);
  assert.match(proof.lastLines.join('\n'), /ferryman login:/);
});
