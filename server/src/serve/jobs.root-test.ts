import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestContext, test } from 'node:test';
import { compareTrees } from '../compare/compare-trees.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import { leftovers } from '../testing/leftovers.ts';
import { attachRoot, makeSourceDisk, sha256 } from '../testing/source-disk.ts';
import { enrolmentsOf } from './serve.ts';
import { startManagedClient } from './testing/client-process.ts';
import { type ApiAnswer, type ServeProcess, startServeProcess } from './testing/serve-process.ts';

const MIB = 1024 * 1024;
const BOUND_MS = 120_000;
const ENDED = ['succeeded', 'failed', 'cancelled'];

interface Place {
  readonly bench: Workbench;
  readonly stateFolder: string;
  readonly runFolder: string;
  readonly images: string;
}

interface Registered extends Place {
  readonly server: ServeProcess;
  readonly source: string;
  readonly target: string;
}

/** A server with a location and one registered computer, which has a full disk and an empty one. */
async function setUp(t: TestContext): Promise<Registered> {
  const bench = openWorkbench(t);
  const [stateFolder, runFolder] = [join(bench.folder, 's'), join(bench.folder, 'r')];
  const images = join(bench.folder, 'images');
  await mkdir(images);
  const place = { bench, stateFolder, runFolder, images };
  const server = await start(t, place, ['--port', '0']);
  assert.equal((await server.ask('POST', '/api/v1/locations', { name: 'here', folder: images })).status, 201);
  const source = await makeSourceDisk(bench);
  const target = bench.file('target.raw', 96 * MIB);
  const secret = enrolmentsOf(stateFolder).create('lab');
  startManagedClient(t, {
    port: server.port,
    authorityFile: server.authorityFile,
    secret,
    disks: [source, target],
  });
  await until(
    async () => (await server.ask('GET', '/api/v1/computers')).json.computers[0]?.connected === true,
  );
  const { json } = await server.ask('GET', '/api/v1/computers');
  const [computer] = json.computers;
  assert.equal(computer.state, 'unregistered');
  const refused = await server.ask('POST', '/api/v1/jobs', capture('too-early', 'source.raw', computer.id));
  const early = await ended(server, refused.json.id);
  assert.deepEqual([early.state, early.error.code], ['failed', 'STATE_NOT_ALLOWED']);
  const registered = await server.ask('POST', `/api/v1/computers/${computer.id}/register`, { name: 'pc1' });
  assert.deepEqual([registered.status, registered.json.state], [200, 'dormant']);
  return { ...place, server, source, target };
}

async function start(t: TestContext, place: Place, words: readonly string[]): Promise<ServeProcess> {
  const server = await startServeProcess(place, words);
  t.after(async () => {
    server.cli.signalGroup('SIGTERM');
    await server.cli.ended;
  });
  return server;
}

function capture(image: string, disk: string, computer = 'pc1'): object {
  return { kind: 'capture', spec: { computer, disk, image, afterwards: 'standby' } };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + BOUND_MS; !(await condition()); await sleep(50)) {
    assert.ok(Date.now() < deadline, `it did not happen within ${BOUND_MS / 1000} s`);
  }
}

/** A job when it has ended. */
async function ended(server: ServeProcess, id: string): Promise<ApiAnswer['json']> {
  let job: ApiAnswer['json'];
  await until(async () => {
    ({ json: job } = await server.ask('GET', `/api/v1/jobs/${id}`));
    return ENDED.includes(job.state);
  });
  return job;
}

/** Of a server that has ended; the folder of its computers' sockets may stay. */
async function assertNothingLeft(runFolder: string): Promise<void> {
  assert.deepEqual(await readdir(join(runFolder, 'computers')), []);
  assert.deepEqual(
    (await leftovers(runFolder, [])).filter((line) => line !== 'computers'),
    [],
  );
}

test('a computer is registered, captured into the catalog and deployed from it, by the API alone', async (t) => {
  const { bench, server, source, target, images, runFolder } = await setUp(t);
  const before = await sha256(source);
  const { json: first } = await server.ask('POST', '/api/v1/jobs', capture('web', 'source.raw'));
  const captured = await ended(server, first.id);
  assert.equal(captured.state, 'succeeded', JSON.stringify(captured.error));
  assert.equal(await sha256(source), before);
  assert.ok(captured.progress.doneBytes > 24 * MIB);
  const { json: page } = await server.ask('GET', '/api/v1/images');
  const [image] = page.images;
  assert.deepEqual([image.name, image.version, image.state], ['web', 1, 'ready']);
  assert.deepEqual(
    [image.origin.kind, image.origin.disk, image.origin.job],
    ['capture', 'source.raw', first.id],
  );
  assert.equal(image.sha256, await sha256(join(images, image.file)));

  const spec = { image: 'web', computer: 'pc1', disk: 'target.raw', afterwards: 'standby', verify: true };
  const { json: second } = await server.ask('POST', '/api/v1/jobs', { kind: 'deploy', spec });
  const deployed = await ended(server, second.id);
  assert.equal(deployed.state, 'succeeded', JSON.stringify(deployed.error));
  const folders = [];
  for (const [disk, bytes] of [
    [source, 128 * MIB],
    [target, 96 * MIB],
  ] as const) {
    folders.push(await bench.mount(await attachRoot(bench, disk, bytes), 'ro,noload'));
  }
  assert.deepEqual(await compareTrees(folders[0] ?? '', folders[1] ?? ''), []);

  const again = await server.ask('POST', '/api/v1/jobs', { kind: 'deploy', spec });
  const refused = await ended(server, again.json.id);
  assert.deepEqual([refused.state, refused.error.code], ['failed', 'NEEDS_CONFIRMATION']);

  const { json: history } = await server.ask('GET', '/api/v1/computers/pc1/history');
  assert.ok(JSON.stringify(history).includes(`deploy job ${second.id}`));
  const deleted = await server.ask('DELETE', `/api/v1/images/${image.id}`);
  assert.equal(deleted.status, 204, JSON.stringify(deleted.json));
  assert.ok(!(await readdir(images)).some((name) => name.startsWith('web')));

  const { token = '' } = server;
  const asked = await server.askWithToken('GET', '/api/v1/server', token);
  assert.deepEqual([asked.status, asked.json.role], [200, 'administrator']);
  assert.equal((await server.askWithToken('GET', '/api/v1/server', `${token}x`)).status, 401);
  server.cli.signalGroup('SIGTERM');
  assert.equal((await server.cli.ended).exitCode, 0);
  await assertNothingLeft(runFolder);
});

test('a capture that is cancelled leaves no image, and nothing attached', async (t) => {
  const { server, images, runFolder } = await setUp(t);
  const { json: job } = await server.ask('POST', '/api/v1/jobs', capture('gone', 'source.raw'));
  await until(async () => (await server.ask('GET', `/api/v1/jobs/${job.id}`)).json.progress.totalBytes > 0);
  assert.equal((await server.ask('POST', `/api/v1/jobs/${job.id}/cancel`)).status, 200);
  assert.equal((await ended(server, job.id)).state, 'cancelled');
  assert.equal((await server.ask('GET', '/api/v1/images')).json.total, 0);
  assert.deepEqual(
    (await readdir(images)).filter((name) => name.includes('gone')),
    [],
  );
  assert.equal((await server.ask('GET', '/api/v1/computers/pc1')).json.state, 'dormant');
  server.cli.signalGroup('SIGTERM');
  await server.cli.ended;
  await assertNothingLeft(runFolder);
});

test('a server that is killed in a capture goes on with it when it starts again', async (t) => {
  const place = await setUp(t);
  const { server, runFolder } = place;
  const { json: job } = await server.ask('POST', '/api/v1/jobs', capture('web', 'source.raw'));
  await until(async () => (await server.ask('GET', `/api/v1/jobs/${job.id}`)).json.progress.totalBytes > 0);
  process.kill(server.cli.pid, 'SIGKILL');
  await server.cli.ended;
  const again = await start(t, place, ['--port', String(server.port)]);
  assert.equal(again.token, undefined);
  const captured = await ended(again, job.id);
  assert.deepEqual([captured.state, captured.attempt], ['succeeded', 2], JSON.stringify(captured.error));
  const { json: page } = await again.ask('GET', '/api/v1/images');
  assert.deepEqual(
    page.images.map(({ name, state }: { name: string; state: string }) => [name, state]),
    [['web', 'ready']],
  );
  const { json: log } = await again.ask('GET', `/api/v1/jobs/${job.id}/log`);
  assert.ok(log.some(({ line }: { line: string }) => line === 'the server died while it worked on this job'));
  again.cli.signalGroup('SIGTERM');
  await again.cli.ended;
  await assertNothingLeft(runFolder);
});
