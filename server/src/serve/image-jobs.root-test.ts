import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeTalkingDisk } from '../qemu/boot-sector.ts';
import { sha256 } from '../testing/source-disk.ts';
import type { ApiAnswer } from './testing/serve-process.ts';
import {
  assertNothingLeft,
  captureOf,
  endedJob,
  MUCH_CONTENT,
  type ServedComputer,
  serveComputer,
  startAgain,
  until,
} from './testing/served-computer.ts';

/** A server with a computer, and the image "web" of its full disk. */
async function serveImage(t: TestContext, options: { contentBytes?: number } = {}): Promise<ServedComputer> {
  const place = await serveComputer(t, [], options);
  const { json: job } = await place.server.ask('POST', '/api/v1/jobs', captureOf('web', 'source.raw'));
  const captured = await endedJob(place.server, job.id);
  assert.equal(captured.state, 'succeeded', JSON.stringify(captured.error));
  return place;
}

async function start({ server }: ServedComputer, kind: string, spec: object): Promise<ApiAnswer['json']> {
  const { status, json } = await server.ask('POST', '/api/v1/jobs', { kind, spec });
  assert.equal(status, 201, JSON.stringify(json));
  return json;
}

async function done(place: ServedComputer, kind: string, spec: object): Promise<ApiAnswer['json']> {
  return endedJob(place.server, (await start(place, kind, spec)).id);
}

async function logOf({ server }: ServedComputer, id: string): Promise<string> {
  const { json: lines } = await server.ask('GET', `/api/v1/jobs/${id}/log`);
  return lines.map(({ line }: { line: string }) => line).join('\n');
}

async function end({ server, runFolder }: ServedComputer): Promise<void> {
  server.cli.signalGroup('SIGTERM');
  assert.equal((await server.cli.ended).exitCode, 0);
  await assertNothingLeft(runFolder);
}

test('an image is converted, and equals the old one and the disk; another disk is told to differ, by name', async (t) => {
  const place = await serveImage(t);
  const { server, source, images } = place;
  const before = await sha256(source);
  const size = 2 * (await stat(source)).size;
  const shape = { format: 'vmdk', size, sectorSize: 4096 };
  const converted = await done(place, 'convert', { image: 'web:1', ...shape, verify: true });
  assert.equal(converted.state, 'succeeded', JSON.stringify(converted.error));
  assert.deepEqual([converted.result.image, converted.result.from], ['web:2', 'web:1']);
  assert.ok(converted.progress.doneBytes > 24_000_000);
  const { json: image } = await server.ask('GET', `/api/v1/images/${converted.result.imageId}`);
  assert.deepEqual(
    [image.state, image.format, image.virtualSize, image.sectorSize, image.origin.kind, image.origin.job],
    ['ready', 'vmdk', size, 4096, 'convert', converted.id],
  );
  assert.equal(image.sha256, await sha256(join(images, image.file)));

  const same = await done(place, 'verify', { image: 'web:1', other: 'web:2' });
  assert.equal(same.state, 'succeeded', JSON.stringify(same.error));
  assert.deepEqual([same.result.equal, same.result.partitions], [true, 1]);
  const disk = { image: 'web:1', computer: 'pc1', afterwards: 'standby' };
  const ofDisk = await done(place, 'verify', { ...disk, disk: 'source.raw' });
  assert.equal(ofDisk.state, 'succeeded', JSON.stringify(ofDisk.error));
  const other = await done(place, 'verify', { ...disk, disk: 'target.raw' });
  assert.deepEqual([other.state, other.error.code], ['failed', 'NOT_EQUAL']);
  assert.match(await logOf(place, other.id), /^whole disk: "": partition table: gpt \| none$/m);
  assert.equal((await server.ask('GET', '/api/v1/computers/pc1')).json.state, 'dormant');
  assert.equal(await sha256(source), before);

  const unclear = await server.ask('POST', '/api/v1/jobs', { kind: 'verify', spec: { image: 'web' } });
  assert.deepEqual([unclear.status, unclear.json.code], [400, 'JOB_SPEC']);
  const unknown = await server.ask('POST', '/api/v1/jobs', { kind: 'convert', spec: { image: 'nobody' } });
  assert.equal(unknown.json.code, 'IMAGE_UNKNOWN');
  await end(place);
});

test('an image that is read is not deleted; a conversion that is cancelled leaves nothing', async (t) => {
  const place = await serveImage(t, { contentBytes: MUCH_CONTENT });
  const { server, images } = place;
  const { json: page } = await server.ask('GET', '/api/v1/images');
  const [image] = page.images;
  const job = await start(place, 'convert', { image: 'web', name: 'gone' });
  await until(async () => (await server.ask('GET', `/api/v1/jobs/${job.id}`)).json.progress.doneBytes > 0);
  const refused = await server.ask('DELETE', `/api/v1/images/${image.id}`);
  assert.deepEqual([refused.status, refused.json.code], [409, 'IMAGE_IN_USE']);
  assert.ok(refused.json.message.includes(job.id), refused.json.message);
  await server.ask('POST', `/api/v1/jobs/${job.id}/cancel`);
  assert.equal((await endedJob(server, job.id)).state, 'cancelled');
  assert.equal((await server.ask('GET', '/api/v1/images?name=gone')).json.total, 0);
  assert.ok(!(await readdir(images)).some((name) => name.includes('gone')));
  assert.equal((await server.ask('DELETE', `/api/v1/images/${image.id}`)).status, 204);
  await end(place);
});

test('a server that is killed in a conversion goes on with it when it starts again', async (t) => {
  const place = await serveImage(t, { contentBytes: MUCH_CONTENT });
  const job = await start(place, 'convert', { image: 'web', name: 'new' });
  await until(
    async () => (await place.server.ask('GET', `/api/v1/jobs/${job.id}`)).json.progress.totalBytes > 0,
  );
  process.kill(place.server.cli.pid, 'SIGKILL');
  await place.server.cli.ended;
  const server = await startAgain(t, place, place.server);
  const ended = await endedJob(server, job.id);
  assert.deepEqual([ended.state, ended.attempt], ['succeeded', 2], JSON.stringify(ended.error));
  const { json: page } = await server.ask('GET', '/api/v1/images?name=new');
  assert.deepEqual(
    page.images.map(({ state }: { state: string }) => state),
    ['ready'],
  );
  const { json: old } = await server.ask('GET', '/api/v1/images?name=web');
  assert.equal((await server.ask('DELETE', `/api/v1/images/${old.images[0].id}`)).status, 204);
  await end({ ...place, server });
});

test('an image is booted: one that shows its prompt has passed, of another one the last lines are in the log', async (t) => {
  const place = await serveComputer(t);
  const { server, images } = place;
  for (const [name, words] of [
    ['good', 'tiny login: '],
    ['bad', 'Kernel panic - not syncing: no root\r\n'],
  ] as const) {
    await makeTalkingDisk(join(images, `${name}.raw`), words);
    const { json: locations } = await server.ask('GET', '/api/v1/locations');
    const file = { name, location: locations[0].id, file: `${name}.raw` };
    const imported = await done(place, 'import-image', file);
    assert.equal(imported.state, 'succeeded', JSON.stringify(imported.error));
  }
  const before = await sha256(join(images, 'good.raw'));
  const passed = await done(place, 'boot-proof', { image: 'good' });
  assert.equal(passed.state, 'succeeded', JSON.stringify(passed.error));
  assert.deepEqual([passed.result.boots, passed.result.firmware], [true, 'bios']);
  assert.ok(passed.result.seconds >= 0);
  assert.match(passed.result.lastLines.join('\n'), /tiny login:/);
  assert.equal(await sha256(join(images, 'good.raw')), before);
  const failed = await done(place, 'boot-proof', { image: 'bad' });
  assert.equal(failed.state, 'failed');
  assert.match(await logOf(place, failed.id), /Kernel panic - not syncing: no root/);

  const silent = await start(place, 'boot-proof', { image: 'good', expect: 'never' });
  await until(
    async () => (await server.ask('GET', `/api/v1/jobs/${silent.id}`)).json.progress.step !== undefined,
  );
  await server.ask('POST', `/api/v1/jobs/${silent.id}/cancel`);
  assert.equal((await endedJob(server, silent.id)).state, 'cancelled');
  const wrong = { kind: 'boot-proof', spec: { image: 'good', expect: '(' } };
  assert.equal((await server.ask('POST', '/api/v1/jobs', wrong)).json.code, 'JOB_SPEC');
  await end(place);
});

test('a server that is killed while it boots an image leaves no machine, and begins again', async (t) => {
  const place = await serveComputer(t);
  await makeTalkingDisk(join(place.images, 'mute.raw'), 'tiny login: ');
  const { json: locations } = await place.server.ask('GET', '/api/v1/locations');
  const file = { name: 'mute', location: locations[0].id, file: 'mute.raw' };
  assert.equal((await done(place, 'import-image', file)).state, 'succeeded');
  const job = await start(place, 'boot-proof', { image: 'mute', expect: 'never', timeoutSeconds: 600 });
  const redoLog = async (): Promise<boolean> =>
    (await readdir(place.runFolder, { recursive: true })).some((name) => name.endsWith('boot-proof.qcow2'));
  await until(redoLog);
  process.kill(place.server.cli.pid, 'SIGKILL');
  await place.server.cli.ended;
  const server = await startAgain(t, place, place.server);
  await until(async () => (await server.ask('GET', `/api/v1/jobs/${job.id}`)).json.attempt === 2);
  await until(redoLog);
  const { json: held } = await server.ask('GET', '/api/v1/images');
  const holders = `/api/v1/images/${held.images[0].id}/holders`;
  assert.deepEqual((await server.ask('GET', holders)).json, [{ kind: 'job', id: job.id }]);
  await server.ask('POST', `/api/v1/jobs/${job.id}/cancel`);
  assert.equal((await endedJob(server, job.id)).state, 'cancelled');
  assert.deepEqual((await server.ask('GET', holders)).json, []);
  await end({ ...place, server });
});
