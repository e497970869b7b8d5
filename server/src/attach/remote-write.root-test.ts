import { sessionsFolder } from '@diskferry/server-adapter/testing/own-sessions';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import type { DiskSource } from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { assertNothingIsLeft } from '@diskferry/server-adapter/testing/leftovers';
import { cleanUp, openSession } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { loadOrCreateIdentity } from '@diskferry/trust/identity';
import { pair } from '../control/pair.ts';
import { settledPorts } from '../control/testing/settled-ports.ts';
import { type KeyedClient, startKeyedClient } from '../testing/imaging-client.ts';

extendPath();

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;

const folder = mkdtempSync(join(tmpdir(), 'diskferry-write-test-'));
let count = 0;
after(async () => {
  await cleanUp();
  await assertNothingIsLeft();
  rmSync(folder, { recursive: true });
  rmSync(sessionsFolder, { recursive: true, force: true });
});

interface Paired {
  readonly client: KeyedClient;
  readonly file: string;
  readonly source: Extract<DiskSource, { readonly kind: 'remote' }>;
  /** Starts the client again at the same ports, with the keys that it kept. */
  readonly startAgain: () => Promise<KeyedClient>;
}

/** An imaging client with a disk of random bytes that is paired with a server. */
async function startPaired(test: TestContext): Promise<Paired> {
  const own = join(folder, String(count++));
  const file = `${own}.img`;
  writeFileSync(file, randomBytes(DISK_BYTES));
  const stateFolder = `${own}-client`;
  const { port, controlPort } = await settledPorts();
  const options = ['--port', String(port), '--control-port', String(controlPort)];
  const client = await startKeyedClient(test, { file, stateFolder, options });
  const identityFolder = `${own}-server`;
  const fingerprint = await pair(
    { host: '127.0.0.1', port: controlPort },
    client.code(),
    await loadOrCreateIdentity(identityFolder, 'a server'),
  );
  const address: DiskAddress = { transport: 'tcp', host: '127.0.0.1', port, exportName: `${count - 1}.img` };
  return {
    client,
    file,
    source: {
      kind: 'remote',
      address,
      security: { kind: 'pinned', identityFolder, fingerprint },
      controlPort,
    },
    startAgain: () => startKeyedClient(test, { file, stateFolder, options }),
  };
}

const PURPOSE = { job: 'deploy-7', description: 'web.qcow2 to the first disk' };

test('a disk of a paired computer is written by the right that its screen shows, until it is detached', async (context) => {
  const { client, file, source } = await startPaired(context);
  await using session = openSession('test');
  const disk = await attachDisk(source, { session, mode: 'write', purpose: PURPOSE });
  await client.shown(/deploy-7.*web\.qcow2 to the first disk/s);
  const data = randomBytes(3 * MIB);
  await disk.write(8 * MIB, data);
  await disk.detach();
  const written = (await readFile(file)).subarray(8 * MIB, 8 * MIB + data.length);
  assert.ok(written.equals(data));
  // The right is given back: another job gets it at once.
  const other = await attachDisk(source, {
    session,
    mode: 'write',
    purpose: { ...PURPOSE, job: 'deploy-8' },
  });
  await client.shown(/deploy-8/);
  await other.detach();
});

test('a disk that another job writes is refused in the words of its computer, and nothing is left', async (context) => {
  const { source } = await startPaired(context);
  await using session = openSession('test');
  const disk = await attachDisk(source, { session, mode: 'write', purpose: PURPOSE });
  const held = [...session.held];
  await assert.rejects(
    attachDisk(source, { session, mode: 'write', purpose: { ...PURPOSE, job: 'deploy-8' } }),
    { code: 'GRANT_TAKEN', message: /written by job deploy-7/ },
  );
  assert.deepEqual(session.held, held);
  await disk.detach();
});

test('a computer with another key than the pinned one gets nothing', async (context) => {
  const { source } = await startPaired(context);
  await using session = openSession('test');
  const security = { ...source.security, fingerprint: '0'.repeat(64) } as typeof source.security;
  for (const mode of ['write', 'copy-on-write'] as const) {
    await assert.rejects(attachDisk({ ...source, security }, { session, mode }), /another key/);
  }
  assert.deepEqual(session.held, []);
});

test('a client that is started anew while its disk is written delays the writer, and nothing is lost', async (context) => {
  const { client, file, source, startAgain } = await startPaired(context);
  await using session = openSession('test');
  const notices: string[] = [];
  const disk = await attachDisk(source, {
    session,
    mode: 'write',
    purpose: PURPOSE,
    onNotice: (message) => notices.push(message),
  });
  const data = randomBytes(DISK_BYTES);
  const device = await open(disk.device, 'r+');
  let restarted: Promise<unknown> | undefined;
  for (let offset = 0; offset < DISK_BYTES; offset += MIB) {
    if (offset === DISK_BYTES / 2) restarted = client.end().then(() => startAgain());
    await device.write(data, offset, MIB, offset);
    // The kernel's cache would take it all; so some of it is on its way when the client ends.
    if (offset % (8 * MIB) === 0) void device.datasync();
  }
  await device.sync();
  await device.close();
  const again = (await restarted) as KeyedClient;
  await again.shown(/deploy-7/);
  await disk.detach();
  assert.ok((await readFile(file)).equals(data));
  assert.match(notices.join('\n'), /is tried again.*is there again/s);
});

test('a client that stays away fails the writer in time, with the reason', async (context) => {
  const { client, source } = await startPaired(context);
  await using session = openSession('test');
  const disk = await attachDisk(source, {
    session,
    mode: 'write',
    purpose: PURPOSE,
    reconnectLimitMs: 1_000,
  });
  await client.end();
  await assert.rejects(disk.failure, { code: 'SOURCE_LOST', message: /did not come back within 1 s/ });
  await assert.rejects(disk.detach());
});
