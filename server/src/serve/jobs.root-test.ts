import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../testing/source-disk.ts';
import type { ApiAnswer } from './testing/serve-process.ts';
import {
  assertDeployed,
  assertNothingLeft,
  captureOf,
  endedJob,
  MUCH_CONTENT,
  serveComputer,
  startAgain,
  until,
} from './testing/served-computer.ts';

const MIB = 1024 * 1024;

test('a computer is registered, captured into the catalog and deployed from it, by the API alone', async (t) => {
  const place = await serveComputer(t);
  const { server, source, images, runFolder } = place;
  const before = await sha256(source);
  const { json: first } = await server.ask('POST', '/api/v1/jobs', captureOf('web', 'source.raw'));
  const captured = await endedJob(server, first.id);
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
  const deployed = await endedJob(server, second.id);
  assert.equal(deployed.state, 'succeeded', JSON.stringify(deployed.error));
  await assertDeployed(place);

  const again = await server.ask('POST', '/api/v1/jobs', { kind: 'deploy', spec });
  const refused = await endedJob(server, again.json.id);
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
  const { server, images, runFolder } = await serveComputer(t, [], { contentBytes: MUCH_CONTENT });
  const { json: job } = await server.ask('POST', '/api/v1/jobs', captureOf('gone', 'source.raw'));
  await until(async () => (await server.ask('GET', `/api/v1/jobs/${job.id}`)).json.progress.totalBytes > 0);
  assert.equal((await server.ask('POST', `/api/v1/jobs/${job.id}/cancel`)).status, 200);
  assert.equal((await endedJob(server, job.id)).state, 'cancelled');
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

test('a deployed computer is so after a capture, and after a deploy that was refused or failed before it wrote', async (t) => {
  const { server, source } = await serveComputer(t);
  const done = async (kind: string, spec: object): Promise<ApiAnswer['json']> => {
    const { json: job } = await server.ask('POST', '/api/v1/jobs', { kind, spec });
    return endedJob(server, job.id);
  };
  const stateNow = async (): Promise<string> => (await server.ask('GET', '/api/v1/computers/pc1')).json.state;
  await server.ask('POST', '/api/v1/computers/pc1/state', { cause: 'adopted' });
  const disk = { computer: 'pc1', disk: 'source.raw' };
  const captured = await done('capture', { ...disk, image: 'web', afterwards: 'standby' });
  assert.deepEqual([captured.state, await stateNow()], ['succeeded', 'deployed']);
  const before = await sha256(source);
  const refused = await done('deploy', { ...disk, image: 'web' });
  assert.deepEqual([refused.state, refused.error.code], ['failed', 'NEEDS_CONFIRMATION']);
  assert.deepEqual([await stateNow(), await sha256(source)], ['deployed', before]);
  const missing = await done('deploy', { ...disk, disk: 'none', image: 'web' });
  assert.deepEqual([missing.error.code, await stateNow()], ['DISK_MISSING', 'deployed']);
});

test('a server that ends in a capture goes on with it when it starts again, and the computer waits for that', async (t) => {
  const place = await serveComputer(t, [], { contentBytes: MUCH_CONTENT });
  const { server, runFolder } = place;
  await server.ask('POST', '/api/v1/computers/pc1/state', { cause: 'adopted' });
  const { json: job } = await server.ask('POST', '/api/v1/jobs', captureOf('web', 'source.raw'));
  await until(async () => (await server.ask('GET', `/api/v1/jobs/${job.id}`)).json.progress.totalBytes > 0);
  server.cli.signalGroup('SIGTERM');
  assert.equal((await server.cli.ended).exitCode, 0);
  const again = await startAgain(t, place, server);
  const captured = await endedJob(again, job.id);
  // Its end was not the job's fault, and costs no attempt.
  assert.deepEqual([captured.state, captured.attempt], ['succeeded', 1], JSON.stringify(captured.error));
  const { json: log } = await again.ask('GET', `/api/v1/jobs/${job.id}/log`);
  assert.ok(!log.some(({ line }: { line: string }) => line.includes('told to leave')), JSON.stringify(log));
  assert.equal((await again.ask('GET', '/api/v1/computers/pc1')).json.state, 'deployed');
  again.cli.signalGroup('SIGTERM');
  await again.cli.ended;
  await assertNothingLeft(runFolder);
});

test('a computer whose deploy is cancelled in the middle has no system any more', async (t) => {
  const { server } = await serveComputer(t, [], { contentBytes: MUCH_CONTENT });
  const { json: first } = await server.ask('POST', '/api/v1/jobs', captureOf('web', 'source.raw'));
  assert.equal((await endedJob(server, first.id)).state, 'succeeded');
  await server.ask('POST', '/api/v1/computers/pc1/state', { cause: 'adopted' });
  const spec = { image: 'web', computer: 'pc1', disk: 'target.raw' };
  const { json: job } = await server.ask('POST', '/api/v1/jobs', { kind: 'deploy', spec });
  await until(async () => (await server.ask('GET', `/api/v1/jobs/${job.id}`)).json.progress.doneBytes > 0);
  await server.ask('POST', `/api/v1/jobs/${job.id}/cancel`);
  assert.equal((await endedJob(server, job.id)).state, 'cancelled');
  assert.equal((await server.ask('GET', '/api/v1/computers/pc1')).json.state, 'dormant');
});

test('a server that is killed in a capture goes on with it when it starts again', async (t) => {
  const place = await serveComputer(t, [], { contentBytes: MUCH_CONTENT });
  const { server, runFolder } = place;
  const { json: job } = await server.ask('POST', '/api/v1/jobs', captureOf('web', 'source.raw'));
  await until(async () => (await server.ask('GET', `/api/v1/jobs/${job.id}`)).json.progress.totalBytes > 0);
  process.kill(server.cli.pid, 'SIGKILL');
  await server.cli.ended;
  const again = await startAgain(t, place, server);
  assert.equal(again.token, undefined);
  const captured = await endedJob(again, job.id);
  assert.deepEqual([captured.state, captured.attempt], ['succeeded', 2], JSON.stringify(captured.error));
  const { json: page } = await again.ask('GET', '/api/v1/images');
  assert.deepEqual(
    page.images.map(({ name, state }: { name: string; state: string }) => [name, state]),
    [['web', 'ready']],
  );
  const { json: log } = await again.ask('GET', `/api/v1/jobs/${job.id}/log`);
  assert.ok(log.some(({ line }: { line: string }) => line.startsWith('the server or its database died')));
  again.cli.signalGroup('SIGTERM');
  await again.cli.ended;
  await assertNothingLeft(runFolder);
});

test('a computer is switched on by the program of the administrator; one that is connected is asked itself', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-power-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [settings, hook, told] = ['server.toml', 'hook', 'told'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(settings, `[power]\nhook = "${hook}"\n`);
  writeFileSync(hook, `#!/bin/sh\necho "$1 $DISKFERRY_COMPUTER_NAME" >> ${told}\n`, { mode: 0o755 });
  const { server } = await serveComputer(t, ['--settings', settings]);
  const power = async (action: string): Promise<ApiAnswer['json']> => {
    const { json } = await server.ask('POST', '/api/v1/jobs', {
      kind: 'power',
      spec: { computer: 'pc1', action },
    });
    return endedJob(server, json.id);
  };
  const on = await power('on');
  assert.equal(on.state, 'succeeded', JSON.stringify(on.error));
  assert.ok(on.result.by.endsWith(hook));
  assert.equal(readFileSync(told, 'utf8'), 'on pc1\n');
  // The client of this test runs on no secondary OS, and does not switch this machine off.
  assert.equal((await power('off')).state, 'failed');
  assert.equal(readFileSync(told, 'utf8'), 'on pc1\n');
});
