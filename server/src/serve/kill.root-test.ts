import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { type PostgresServer, startPostgres } from '../database/testing/postgres-server.ts';
import { sha256 } from '../testing/source-disk.ts';
import {
  assertNothingLeft,
  captureOf,
  endedJob,
  type ServedComputer,
  serveComputer,
  startAgain,
} from './testing/served-computer.ts';

const KILLS_OF_SERVER = 30;
const KILLS_OF_DATABASE = 5;
/** A job of these takes about as long; the kills are spread over it, in ms. */
const LONGEST_MOMENT_MS = 2_500;
/** Twice what it takes on a machine that is busy with two other tests, in ms. */
const BOUND = { timeout: 900_000 };
/** Each kill may cost an attempt. */
const ATTEMPTS = 100;

test(
  `a server that is killed at ${KILLS_OF_SERVER} moments of its jobs ends them all truthfully`,
  BOUND,
  async (t) => {
    const place = await serveComputer(t);
    let { server } = place;
    const ids: string[] = [];
    for (let kill = 0; kill < KILLS_OF_SERVER; kill++) {
      // A job that is not done yet is worked on, or waits behind it.
      const { json: job } = await server.ask('POST', '/api/v1/jobs', {
        ...captureOf(`image-${kill}`, 'source.raw'),
        maxAttempts: ATTEMPTS,
      });
      ids.push(job.id);
      await sleep((LONGEST_MOMENT_MS * (kill + 1)) / KILLS_OF_SERVER);
      process.kill(server.cli.pid, 'SIGKILL');
      await server.cli.ended;
      server = await startAgain(t, place, server);
    }
    await assertTruthful({ ...place, server }, ids);
  },
);

test(
  `a database that is killed at ${KILLS_OF_DATABASE} moments of a server's jobs loses none of them`,
  BOUND,
  async (t) => {
    const database: PostgresServer = await startPostgres();
    t.after(() => database.destroy());
    const place = await serveComputer(t, ['--database', await database.createDatabase()]);
    const ids: string[] = [];
    for (let kill = 0; kill < KILLS_OF_DATABASE; kill++) {
      const { json: job } = await place.server.ask('POST', '/api/v1/jobs', {
        ...captureOf(`image-${kill}`, 'source.raw'),
        maxAttempts: ATTEMPTS,
      });
      ids.push(job.id);
      await sleep((LONGEST_MOMENT_MS * (kill + 1)) / KILLS_OF_DATABASE);
      await database.kill();
      await database.start();
    }
    await assertTruthful(place, ids);
  },
);

/** All jobs end, each in an image that is as it should be or in an error; nothing is left over. */
async function assertTruthful(place: ServedComputer, ids: readonly string[]): Promise<void> {
  const { server, images, runFolder } = place;
  for (const id of ids) {
    const job = await endedJob(server, id);
    assert.equal(job.state, 'succeeded', `${JSON.stringify(job.error)} after ${job.attempt} attempts`);
  }
  const { json: page } = await server.ask('GET', '/api/v1/images?limit=1000');
  assert.equal(page.total, ids.length);
  const files: string[] = [];
  for (const image of page.images) {
    assert.equal(image.state, 'ready');
    assert.equal(image.sha256, await sha256(join(images, image.file)));
    files.push(image.file);
  }
  const there = (await readdir(images)).filter((name) => !name.startsWith('.'));
  assert.deepEqual(there.toSorted(), files.toSorted());
  assert.equal((await server.ask('GET', '/api/v1/computers/pc1')).json.state, 'dormant');
  server.cli.signalGroup('SIGTERM');
  await server.cli.ended;
  await assertNothingLeft(runFolder);
}
