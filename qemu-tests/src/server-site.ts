import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { enrolmentsOf } from '@diskferry/server/serve/serve';
import {
  type ApiAnswer,
  type ServeProcess,
  startServeProcess,
} from '@diskferry/server/serve/testing/serve-process';
import { run } from '@diskferry/system/run';
import { makeSourceComputer } from './source-computers/source-computer.ts';
import { ANSWER, ANSWER_PORT } from './source-computers/networked-copy.ts';

/** What the system of a source computer shows when it has started. */
export const PROMPT = /ferryman login: /;
/** How long a computer may take from its firmware to its system, or to standby; an idle machine needs a tenth. */
export const START_MS = 400_000;
const JOB_MS = 900_000;
const POLL_MS = 500;
const ENDED = ['succeeded', 'failed', 'cancelled'];
const MIB = 1024 * 1024;

/** A disk that is half full, without noise in its free space: the cache has the same one for the faults of deploys. */
export const sourceOfSite = (): ReturnType<typeof makeSourceComputer> =>
  makeSourceComputer('bios-mbr', { sizeBytes: 1525 * MIB, fillWithJunk: false, fileAtEnd: true });
/** Of the computer that becomes its like: less, so that its partitions must change. */
export const NEW_DISK_BYTES = 1400 * MIB;

export interface ServerSite extends AsyncDisposable {
  readonly server: ServeProcess;
  /** For boot media: the certificate of the server's authority, and the secret of an enrolment. */
  readonly media: { readonly ca: string; readonly enrolment: string };
  /** The only computer that is connected and not registered yet, under a name of ours from then on. */
  register(name: string): Promise<void>;
  /** Waits until a computer is connected, or is not. */
  connected(name: string, wanted: boolean): Promise<void>;
  stateOf(name: string): Promise<string>;
  /** Has a job done. */
  doJob(kind: string, spec: object): Promise<void>;
}

export interface SiteOptions {
  /** Words of the command line. */
  readonly words: readonly string[];
  /** The text of the settings file. */
  readonly settings?: string;
  /** Words before the command that run it in a network of its own. */
  readonly before?: readonly string[];
}

/** A server with a place for images and one enrolment. */
export async function openSite({ words, settings = '', before }: SiteOptions): Promise<ServerSite> {
  const folder = mkdtempSync(join(tmpdir(), 'dfq-'));
  const inside = (name: string): string => join(folder, name);
  const [stateFolder, runFolder, images] = [inside('s'), inside('r'), inside('images')];
  mkdirSync(images);
  const settingsFile = inside('server.toml');
  writeFileSync(settingsFile, settings);
  const place = { stateFolder, runFolder, ...(before === undefined ? {} : { before }) };
  const server = await startServeProcess(place, ['--settings', settingsFile, '--port', '0', ...words]);
  const { ask } = server;
  const { status } = await ask('POST', '/api/v1/locations', { name: 'images', folder: images });
  assert.equal(status, 201);
  const media = { ca: inside('ca.pem'), enrolment: inside('enrolment') };
  await copyFile(server.authorityFile, media.ca);
  writeFileSync(media.enrolment, enrolmentsOf(stateFolder).create('lab'));
  return {
    server,
    media,
    register: async (name) => register(server, name),
    connected: async (name, wanted) =>
      until(
        async () => (await ask('GET', `/api/v1/computers/${name}`)).json.connected === wanted,
        `${name} is ${wanted ? 'not connected' : 'connected still'}`,
        START_MS,
      ),
    stateOf: async (name) => (await ask('GET', `/api/v1/computers/${name}`)).json.state,
    doJob: async (kind, spec) => doJob(server, kind, spec),
    [Symbol.asyncDispose]: async () => {
      server.cli.signalGroup('SIGTERM');
      await server.cli.ended;
      rmSync(folder, { recursive: true });
    },
  };
}

async function register({ ask }: ServeProcess, name: string): Promise<void> {
  let unknown: ApiAnswer['json'];
  await until(
    async () => {
      const { json } = await ask('GET', '/api/v1/computers?state=unregistered');
      unknown = json.computers.find(({ connected }: { connected: boolean }) => connected);
      return unknown !== undefined;
    },
    `the computer that shall be ${name} did not appear`,
    START_MS,
  );
  const { json } = await ask('POST', `/api/v1/computers/${unknown.id}/register`, { name });
  assert.equal(json.state, 'dormant', JSON.stringify(json));
}

async function doJob({ ask }: ServeProcess, kind: string, spec: object): Promise<void> {
  const { json: job } = await ask('POST', '/api/v1/jobs', { kind, spec });
  let now: ApiAnswer['json'];
  await until(
    async () => {
      ({ json: now } = await ask('GET', `/api/v1/jobs/${job.id}`));
      return ENDED.includes(now.state);
    },
    `the ${kind} job did not end`,
    JOB_MS,
  );
  assert.equal(now.state, 'succeeded', JSON.stringify(now.error));
}

async function until(condition: () => Promise<boolean>, complaint: string, limitMs: number): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await condition()); await sleep(POLL_MS)) {
    assert.ok(Date.now() < deadline, `${complaint} within ${limitMs / 1000} s`);
  }
}

export interface Asked {
  readonly address: string;
  readonly port?: number;
  /** Words before the command that asks from another network. */
  readonly before?: readonly string[];
}

/** Waits until the own system of a computer answers on the network: our imaging client never says that. */
export async function answersOnTheNetwork({
  address,
  port = ANSWER_PORT,
  before = [],
}: Asked): Promise<void> {
  const script = `const { text } = require('node:stream/consumers');
    const socket = require('node:net').connect(${port}, '${address}');
    setTimeout(() => socket.destroy(), 10_000).unref();
    text(socket).then((answer) => process.stdout.write(answer), () => {});`;
  const command = [...before, process.execPath, '--eval', script] as unknown as [string, ...string[]];
  await until(
    async () => (await run(command)).stdout === ANSWER,
    `${address}:${port} did not answer`,
    START_MS,
  );
}
