import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { enrolmentsOf } from '@diskferry/server/serve/serve';
import {
  type ApiAnswer,
  type ServeProcess,
  startServeProcess,
} from '@diskferry/server/serve/testing/serve-process';
import type { MachineDisk } from '@diskferry/server/qemu/machine-description';
import { openSession, type Session } from '@diskferry/system/session';
import { artefact } from './artefacts.ts';
import { withBootedClient } from './booted-client.ts';
import { emptyDisk } from './deploy.ts';
import { diskferry } from './diskferry.ts';
import { makeSourceComputer } from './source-computers/source-computer.ts';
import { workFile } from './work-files.ts';

/** Where a guest finds this host, in QEMU's user network. */
const HOST = '10.0.2.2';
const PROMPT = /ferryman login: /;
/** Half of the source's disk is free. */
const NEW_DISK_BYTES = 2 * 1024 * 1024 * 1024;
/** All of these take far less on an idle machine. */
const COMMAND_TIMEOUT_MS = 120_000;
const JOB_TIMEOUT_MS = 900_000;
const SYSTEM_TIMEOUT_MS = 400_000;
const POLL_MS = 500;
const ENDED = ['succeeded', 'failed', 'cancelled'];

interface Site {
  readonly server: ServeProcess;
  /** Our CD with the address, the authority and an enrolment of the server. */
  readonly iso: string;
}

async function openSite(context: TestContext, session: Session): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'dfq-'));
  const [stateFolder, runFolder, images] = ['s', 'r', 'images'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(images);
  const server = await startServeProcess({ stateFolder, runFolder }, ['--port', '0', '--host', HOST]);
  context.after(async () => {
    server.cli.signalGroup('SIGTERM');
    await server.cli.ended;
    rmSync(folder, { recursive: true });
  });
  const { status } = await server.ask('POST', '/api/v1/locations', { name: 'images', folder: images });
  assert.equal(status, 201);
  const [iso, ca, enrolment] = await Promise.all(
    ['server.iso', 'ca.pem', 'enrolment'].map((name) => workFile(session, name)),
  );
  assert.ok(iso && ca && enrolment);
  await copyFile(server.authorityFile, ca);
  await writeFile(enrolment, enrolmentsOf(stateFolder).create('lab'));
  const settings = ['--server', `${HOST}:${server.port}`, '--ca', ca, '--enrolment', enrolment];
  await diskferry(['media', 'customize', artefact('diskferry.iso'), iso, ...settings], {
    timeoutMs: COMMAND_TIMEOUT_MS,
  });
  return { server, iso };
}

/** The only computer that is connected and not registered yet, under a name of ours from then on. */
async function register({ server }: Site, name: string): Promise<void> {
  let unknown: ApiAnswer['json'];
  await until(async () => {
    const { json } = await server.ask('GET', '/api/v1/computers?state=unregistered');
    unknown = json.computers.find(({ connected }: { connected: boolean }) => connected);
    return unknown !== undefined;
  }, SYSTEM_TIMEOUT_MS);
  const { json } = await server.ask('POST', `/api/v1/computers/${unknown.id}/register`, { name });
  assert.equal(json.state, 'dormant', JSON.stringify(json));
}

async function doJob({ server }: Site, kind: string, spec: object): Promise<void> {
  const { json: job } = await server.ask('POST', '/api/v1/jobs', { kind, spec });
  let now: ApiAnswer['json'];
  await until(async () => {
    ({ json: now } = await server.ask('GET', `/api/v1/jobs/${job.id}`));
    return ENDED.includes(now.state);
  }, JOB_TIMEOUT_MS);
  assert.equal(now.state, 'succeeded', JSON.stringify(now.error));
}

async function until(condition: () => Promise<boolean>, limitMs: number): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await condition()); await sleep(POLL_MS)) {
    assert.ok(Date.now() < deadline, `it did not happen within ${limitMs / 1000} s`);
  }
}

test('by a CD and the API alone, an unknown computer is captured and goes on, and an empty one becomes its like', async (context) => {
  await using session = openSession('server-test');
  const site = await openSite(context, session);
  const boot = { session, medium: 'cd', firmware: 'bios', iso: site.iso, dials: true } as const;
  const stateOf = async (name: string): Promise<string> =>
    (await site.server.ask('GET', `/api/v1/computers/${name}`)).json.state;
  /** The system of its disk starts, whatever the serial console said before. */
  const startsItsSystem = async (
    disk: MachineDisk,
    name: string,
    job: readonly [kind: string, spec: object],
  ): Promise<void> => {
    await withBootedClient({ ...boot, name: `server-${name}`, disks: [disk] }, async ({ machine }) => {
      await register(site, name);
      const { end } = machine.serial;
      await doJob(site, ...job);
      const begin = performance.now();
      await machine.waitForSerial(PROMPT, { timeoutMs: SYSTEM_TIMEOUT_MS, from: end });
      context.diagnostic(
        `${name}: login prompt ${((performance.now() - begin) / 1000).toFixed(0)} s after its job`,
      );
    });
    assert.equal(await stateOf(name), 'deployed');
  };
  const { diskPath } = await makeSourceComputer('bios-mbr');
  const old = {
    path: diskPath,
    format: 'raw',
    bus: 'ahci',
    snapshot: true,
    serial: 'OLD-DISK-0001',
  } as const;
  await startsItsSystem(old, 'old', ['capture', { computer: 'old', image: 'debian' }]);
  const path = await emptyDisk(session, 'new.raw', NEW_DISK_BYTES);
  const empty = { path, format: 'raw', bus: 'ahci', serial: 'NEW-DISK-0001' } as const;
  await startsItsSystem(empty, 'new', ['deploy', { computer: 'new', image: 'debian' }]);
});
