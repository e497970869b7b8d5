import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestContext, test } from 'node:test';
import { type PostgresServer, startPostgres } from '../database/testing/postgres-server.ts';
import { sha256 } from '../testing/source-disk.ts';
import type { ServeProcess } from './testing/serve-process.ts';
import {
  assertDeployed,
  assertNothingLeft,
  captureOf,
  endedJob,
  type ServedComputer,
  serveComputer,
  startAgain,
} from './testing/served-computer.ts';

const KILLS_OF_SERVER = 30;
const KILLS_OF_DATABASE = 5;
/** A job of these takes about as long, in ms. */
const LONGEST_MOMENT_MS = 2_500;
/** Twice what it takes on a machine that is busy with two other tests, in ms. */
const BOUND = { timeout: 900_000 };
/** Each kill may cost an attempt. */
const ATTEMPTS = 100;
const BASE = 'base';

test(
  `a server that is killed at ${KILLS_OF_SERVER} random moments of its jobs ends them all truthfully`,
  BOUND,
  async (t) => {
    const place = await serveComputer(t);
    let { server } = place;
    await captureBase(server);
    const ids: string[] = [];
    for (let kill = 0; kill < KILLS_OF_SERVER; kill++) {
      // A job that is not done yet is worked on, or waits behind it.
      ids.push(await submitJob(server, kill));
      await randomMoment(t, 'the server', kill);
      process.kill(server.cli.pid, 'SIGKILL');
      await server.cli.ended;
      server = await startAgain(t, place, server);
    }
    await assertTruthful({ ...place, server }, ids);
  },
);

test(
  `a database that is killed at ${KILLS_OF_DATABASE} random moments of a server's jobs loses none of them`,
  BOUND,
  async (t) => {
    const database: PostgresServer = await startPostgres();
    t.after(() => database.destroy());
    const place = await serveComputer(t, ['--database', await database.createDatabase()]);
    await captureBase(place.server);
    const ids: string[] = [];
    for (let kill = 0; kill < KILLS_OF_DATABASE; kill++) {
      ids.push(await submitJob(place.server, kill));
      await randomMoment(t, 'the database', kill);
      await database.kill();
      await database.start();
    }
    await assertTruthful(place, ids);
  },
);

/** The image that is deployed again and again. */
async function captureBase(server: ServeProcess): Promise<void> {
  const { json: job } = await server.ask('POST', '/api/v1/jobs', captureOf(BASE, 'source.raw'));
  assert.equal((await endedJob(server, job.id)).state, 'succeeded');
}

/** Captures and deploys by turns. */
async function submitJob(server: ServeProcess, number: number): Promise<string> {
  const deploy = { image: BASE, computer: 'pc1', disk: 'target.raw', overwrite: true, afterwards: 'standby' };
  const job =
    number % 2 === 0 ? captureOf(`image-${number}`, 'source.raw') : { kind: 'deploy', spec: deploy };
  const { json } = await server.ask('POST', '/api/v1/jobs', { ...job, maxAttempts: ATTEMPTS });
  return json.id;
}

async function randomMoment(t: TestContext, what: string, number: number): Promise<void> {
  const moment = Math.round(Math.random() * LONGEST_MOMENT_MS);
  t.diagnostic(`kill ${number + 1} of ${what}: ${moment} ms after a job was given`);
  await sleep(moment);
}

/** All jobs end well, their images are as they should be, the disk has what was deployed; nothing is left over. */
async function assertTruthful(place: ServedComputer, ids: readonly string[]): Promise<void> {
  const { server, images, runFolder } = place;
  for (const id of ids) {
    const job = await endedJob(server, id);
    assert.equal(job.state, 'succeeded', `${JSON.stringify(job.error)} after ${job.attempt} attempts`);
  }
  const { json: page } = await server.ask('GET', '/api/v1/images?limit=1000');
  // The base, and each second job.
  assert.equal(page.total, 1 + Math.ceil(ids.length / 2));
  const files: string[] = [];
  for (const image of page.images) {
    assert.equal(image.state, 'ready');
    assert.equal(image.sha256, await sha256(join(images, image.file)));
    files.push(image.file);
  }
  const there = (await readdir(images)).filter((name) => !name.startsWith('.'));
  assert.deepEqual(there.toSorted(), files.toSorted());
  // The last deploy has given it a system.
  assert.equal((await server.ask('GET', '/api/v1/computers/pc1')).json.state, 'deployed');
  server.cli.signalGroup('SIGTERM');
  await server.cli.ended;
  await assertNothingLeft(runFolder);
  await assertDeployed(place);
}
