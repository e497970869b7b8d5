import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { compareTrees } from '../../compare/compare-trees.ts';
import { openWorkbench, type Workbench } from '../../file-systems/test-devices.ts';
import { leftovers } from '../../testing/leftovers.ts';
import { attachRoot, makeSourceDisk } from '../../testing/source-disk.ts';
import { stablePort } from '../../testing/stable-port.ts';
import { enrolmentsOf } from '../serve.ts';
import { startManagedClient } from './client-process.ts';
import { type ApiAnswer, type ServeProcess, startServeProcess } from './serve-process.ts';

const MIB = 1024 * 1024;
const SOURCE_BYTES = 128 * MIB;
const TARGET_BYTES = 96 * MIB;
const BOUND_MS = 120_000;
const ENDED = ['succeeded', 'failed', 'cancelled'];

interface Place {
  readonly bench: Workbench;
  readonly stateFolder: string;
  readonly runFolder: string;
  readonly images: string;
}

/** A server with one registered computer. */
export interface ServedComputer extends Place {
  readonly server: ServeProcess;
  readonly source: string;
  readonly target: string;
}

/**
 * Starts a server with a location and one registered computer, "pc1", which has a full disk and an empty one.
 *
 * @param contentBytes see `makeSourceDisk`
 */
export async function serveComputer(
  t: TestContext,
  words: readonly string[] = [],
  { contentBytes }: { readonly contentBytes?: number } = {},
): Promise<ServedComputer> {
  const bench = openWorkbench(t);
  const [stateFolder, runFolder] = [join(bench.folder, 's'), join(bench.folder, 'r')];
  const images = join(bench.folder, 'images');
  await mkdir(images);
  const place = { bench, stateFolder, runFolder, images };
  const server = await start(t, place, ['--port', String(await stablePort()), ...words]);
  assert.equal((await server.ask('POST', '/api/v1/locations', { name: 'here', folder: images })).status, 201);
  const source = await makeSourceDisk(bench, {
    size: SOURCE_BYTES,
    ...(contentBytes === undefined ? {} : { contentBytes }),
  });
  const target = bench.file('target.raw', TARGET_BYTES);
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
  const refused = await server.ask('POST', '/api/v1/jobs', captureOf('too-early', 'source.raw', computer.id));
  const early = await endedJob(server, refused.json.id);
  assert.deepEqual([early.state, early.error.code], ['failed', 'STATE_NOT_ALLOWED']);
  const registered = await server.ask('POST', `/api/v1/computers/${computer.id}/register`, { name: 'pc1' });
  assert.deepEqual([registered.status, registered.json.state], [200, 'dormant']);
  return { ...place, server, source, target };
}

/** Starts a server that was killed, in its place. */
export function startAgain(t: TestContext, place: Place, { port }: ServeProcess): Promise<ServeProcess> {
  return start(t, place, ['--port', String(port)]);
}

async function start(t: TestContext, place: Place, words: readonly string[]): Promise<ServeProcess> {
  const server = await startServeProcess(place, words);
  t.after(async () => {
    server.cli.signalGroup('SIGTERM');
    await server.cli.ended;
  });
  return server;
}

/** So much that a test that sees the first of it copied can break in before the last is, in bytes. */
export const MUCH_CONTENT = 72 * MIB;

/** The job that captures a disk. */
export function captureOf(image: string, disk: string, computer = 'pc1'): object {
  return { kind: 'capture', spec: { computer, disk, image, afterwards: 'standby' } };
}

/** Waits for something that happens by itself. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + BOUND_MS; !(await condition()); await sleep(50)) {
    assert.ok(Date.now() < deadline, `it did not happen within ${BOUND_MS / 1000} s`);
  }
}

/** A job when it has ended. */
export async function endedJob(server: ServeProcess, id: string): Promise<ApiAnswer['json']> {
  let job: ApiAnswer['json'];
  await until(async () => {
    ({ json: job } = await server.ask('GET', `/api/v1/jobs/${id}`));
    return ENDED.includes(job.state);
  });
  return job;
}

/** The disk that was empty has all files of the full one. */
export async function assertDeployed({ bench, source, target }: ServedComputer): Promise<void> {
  const folders = [];
  for (const [disk, bytes] of [
    [source, SOURCE_BYTES],
    [target, TARGET_BYTES],
  ] as const) {
    folders.push(await bench.mount(await attachRoot(bench, disk, bytes), 'ro,noload'));
  }
  assert.deepEqual(await compareTrees(folders[0] ?? '', folders[1] ?? ''), []);
}

/** Of a server that has ended; the folder of its computers' sockets may stay. */
export async function assertNothingLeft(runFolder: string): Promise<void> {
  assert.deepEqual(await readdir(join(runFolder, 'computers')), []);
  assert.deepEqual(
    (await leftovers(runFolder, [])).filter((line) => line !== 'computers'),
    [],
  );
}
