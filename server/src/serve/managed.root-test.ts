import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import { connectReconnectingNbd } from '@diskferry/protocol/nbd/reconnecting-disk';
import { takeManagedGrant } from '@diskferry/server-adapter/control/managed-grant';
import type { DiskferryError } from '@diskferry/system/errors';
import { run, runJson } from '@diskferry/system/run';
import { createAuthority } from '@diskferry/trust/authority';
import { type CliProcess, runCli, startCli } from '../testing/cli-process.ts';
import { stablePort } from '../testing/stable-port.ts';
import type { ManagedComputer } from './managed-computer.ts';
import { interfacePath } from './run-folder.ts';
import { enrolmentsOf } from './serve.ts';
import { type ManagedClientProcess, startManagedClient } from './testing/client-process.ts';
import { type Serving, startServing } from './testing/serving.ts';

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;
const BOUND_MS = 60_000;

// Short: the path of a socket has 107 bytes, of which the name of this machine may take 40.
const folder = mkdtempSync(join(tmpdir(), 'dfm-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;

/** A disk with random data at its ends and in the middle, and holes between. */
function makeDisk(bytes = DISK_BYTES): string {
  const path = join(folder, `disk${files++}.img`);
  writeFileSync(path, randomBytes(MIB));
  truncateSync(path, bytes);
  const file = openSync(path, 'r+');
  for (const offset of [bytes / 2, bytes - MIB]) writeSync(file, randomBytes(MIB), 0, MIB, offset);
  closeSync(file);
  return path;
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

interface Managed {
  readonly serving: Serving;
  readonly secret: string;
  readonly client: ManagedClientProcess;
  readonly computer: ManagedComputer;
  /** Of the only disk. */
  readonly socket: string;
}

/** A server with one computer that has one disk. */
async function manage(context: TestContext, disk: string): Promise<Managed> {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const client = startClient(context, serving, { secret, disks: [disk] });
  const [computer] = await serving.computers((all) => all.length === 1);
  const socket = computer?.disks[0]?.socket;
  assert.ok(computer !== undefined && socket !== undefined);
  return { serving, secret, client, computer, socket };
}

function startClient(
  context: TestContext,
  { door, authorityFile }: Serving,
  options: { secret: string; disks: readonly string[]; stateFolder?: string; authorityFile?: string },
): ManagedClientProcess {
  return startManagedClient(context, { port: door.port, authorityFile, ...options });
}

test('nbdcopy, qemu-img and nbdinfo read a disk behind NAT through its socket', async (context) => {
  const disk = makeDisk();
  const { socket, computer } = await manage(context, disk);
  const uri = `nbd+unix:///?socket=${socket}`;
  const copies = [join(folder, 'nbdcopy.raw'), join(folder, 'qemu-img.raw')] as const;
  await run(['nbdcopy', uri, copies[0]]);
  await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'raw', uri, copies[1]]);
  for (const copy of copies) assert.equal(sha256(copy), sha256(disk));
  const { exports } = await runJson<{ exports: { 'export-name': string; is_read_only: boolean }[] }>([
    'nbdinfo',
    '--json',
    '--list',
    uri,
  ]);
  assert.deepEqual(
    exports.map((entry) => [entry['export-name'], entry.is_read_only]),
    [[computer.disks[0]?.name, true]],
  );
});

test('a managed client listens on no port', async (context) => {
  const { client } = await manage(context, makeDisk(4 * MIB));
  const inodes = new Set(
    readdirSync(`/proc/${client.pid}/fd`)
      .map((fd) => /^socket:\[(\d+)\]$/.exec(readlink(`/proc/${client.pid}/fd/${fd}`))?.[1])
      .filter((inode) => inode !== undefined),
  );
  assert.ok(inodes.size > 0);
  // Columns of /proc/net/tcp: 3 is the state, 0A is LISTEN; 9 is the inode.
  const listening = ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((table) =>
    readFileSync(`/proc/${client.pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => table.startsWith('udp') || columns[3] === '0A')
      .filter((columns) => inodes.has(columns[9] ?? '')),
  );
  assert.deepEqual(listening, []);
});

function readlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

test('a server that the authority of the medium does not vouch for gets no secret, and the screen says so', async (context) => {
  const serving = await startServing(context);
  const other = await createAuthority('another');
  const authorityFile = join(folder, 'other-ca.pem');
  writeFileSync(authorityFile, other.certificate);
  const secret = serving.enrol('lab');
  const client = startClient(context, serving, { secret, disks: [makeDisk(MIB)], authorityFile });
  await client.shows(/shows a certificate that the authority of this medium has not issued/);
  assert.deepEqual(serving.log, []);
});

test('a secret that is unknown is refused, and one that is revoked ends the connection; the screen says so', async (context) => {
  const disk = makeDisk(4 * MIB);
  const { serving, client, socket } = await manage(context, disk);
  const stranger = startClient(context, serving, { secret: 'lab.guess', disks: [disk] });
  await stranger.shows(/does not take the enrolment secret of this medium/);
  const remote = await connectNbd({ transport: 'unix', socketPath: socket, exportName: '' });
  enrolmentsOf(serving.stateFolder).revoke('lab');
  await client.shows(/does not take the enrolment secret of this medium: it is unknown there or was revoked/);
  assert.equal((await serving.computers(() => true)).length, 0);
  await remote.close();
});

test('a disk is read on after the client, and after the server, was started anew', async (context) => {
  const disk = makeDisk();
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const stateFolder = mkdtempSync(join(folder, 'state-'));
  const options = { secret, disks: [disk], stateFolder };
  const first = startClient(context, serving, options);
  const [computer] = await serving.computers((all) => all.length === 1);
  const remote = await connectReconnectingNbd({
    transport: 'unix',
    socketPath: computer?.disks[0]?.socket ?? '',
    exportName: '',
  });
  const expected = readFileSync(disk);
  const check = async (offset: number): Promise<void> => {
    const read = Buffer.alloc(MIB);
    await remote.read(offset, read);
    assert.ok(read.equals(expected.subarray(offset, offset + MIB)));
  };
  await check(0);
  await first.end('SIGKILL');
  const second = startClient(context, serving, options);
  await check(DISK_BYTES / 2);
  const [again] = await serving.computers((all) => all.length === 1);
  assert.equal(again?.name, computer?.name);
  assert.equal(again?.fingerprint, computer?.fingerprint);
  await serving.restart();
  await check(DISK_BYTES - MIB);
  await remote.close();
  await second.end();
});

test('a client that is killed in the middle of a copy ends the copy, and nothing stays behind', async (context) => {
  const { serving, client, socket } = await manage(context, makeDisk(256 * MIB));
  const before = openFiles();
  const copy = spawn('nbdcopy', ['--allocated', `nbd+unix:///?socket=${socket}`, 'null:'], {
    stdio: 'ignore',
  });
  const ended = once(copy, 'exit');
  await until(() => openFiles() > before);
  await client.end('SIGKILL');
  const [exitCode] = await ended;
  assert.notEqual(exitCode, 0);
  await serving.computers((all) => all.length === 0);
  await until(() => openFiles() <= before);
});

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + BOUND_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a disk can be written while a grant is held, by nobody without it, and not afterwards', async (context) => {
  const disk = makeDisk(4 * MIB);
  const { serving, client, computer, socket } = await manage(context, disk);
  const plain = await connectNbd({ transport: 'unix', socketPath: socket, exportName: '' });
  assert.equal(plain.readOnly, true);
  const [name = ''] = computer.disks.map((entry) => entry.name);
  const wanted = { interfacePath: interfacePath(serving.runFolder), computer: computer.name, disk: name };
  const purpose = { job: 'deploy-7', description: 'image x' };
  const grant = await takeManagedGrant(wanted, purpose);
  const { socketPath } = grant;
  await client.shows(/job deploy-7 WRITES to .*: image x/);

  const granted = await connectNbd({ transport: 'unix', socketPath, exportName: '' });
  assert.equal(granted.readOnly, false);
  const data = randomBytes(4096);
  await granted.write(8192, data);
  await granted.flush();
  assert.ok(
    readFileSync(disk)
      .subarray(8192, 8192 + 4096)
      .equals(data),
  );
  const seen = Buffer.alloc(4096);
  await plain.read(8192, seen);
  assert.ok(seen.equals(data));

  const other = takeManagedGrant(wanted, { ...purpose, job: 'deploy-8' });
  await assert.rejects(other, { code: 'GRANT_TAKEN', message: /is written by job deploy-7/ });
  grant.giveBack();
  await granted.lost;
  assert.equal(((await grant.ended) as DiskferryError).code, 'GRANT_ENDED');
  await assert.rejects(connectNbd({ transport: 'unix', socketPath, exportName: '' }));
  await plain.close();
});

test('serve, enrol, computers and disks@COMPUTER work together as commands', async (context) => {
  const state = mkdtempSync(join(folder, 'c-'));
  const env = { DISKFERRY_STATE: join(state, 'state'), DISKFERRY_RUN: join(state, 'run') };
  const enrolled = await runCli(['enrol', 'lab', '--folder', join(state, 'media'), '--json'], { env });
  assert.equal(enrolled.exitCode, 0, enrolled.stderr);
  const { ca, enrolment } = JSON.parse(enrolled.stdout) as { ca: string; enrolment: string };
  const serve = startCli(['serve', '--listen', '127.0.0.1', '--port', '0'], { env });
  context.after(() => serve.signalGroup('SIGKILL'));
  const port = Number((await serve.printed(/dial port (\d+)/))[1]);
  const secret = readFileSync(enrolment, 'utf8').trim();
  const diskPath = makeDisk(4 * MIB);
  const client = startManagedClient(context, { port, authorityFile: ca, secret, disks: [diskPath] });
  await serve.printed(/connected from 127\.0\.0\.1, admitted by lab/);
  const listed = await runCli(['computers', 'disks', '--json'], { env });
  const [computer] = JSON.parse(listed.stdout) as ManagedComputer[];
  assert.equal(computer?.enrolment, 'lab');
  assert.match(
    (await runCli(['computers', 'disks'], { env })).stdout,
    new RegExp(`disk\\d+\\.img@${computer?.name}`),
  );
  const name = computer?.name ?? '';
  const [disk] = computer?.disks ?? [];
  const disks = await runCli(['disks', name, '--json'], { env });
  const [entry] = JSON.parse(disks.stdout) as { address: string; size: number }[];
  assert.equal(entry?.address, `/dev/${disk?.name}@${name}`);
  assert.equal(entry?.size, 4 * MIB);
  const inventory = await runCli(['inventory', name, '--json'], { env });
  assert.deepEqual(JSON.parse(inventory.stdout), computer?.inventory);
  const mounted = join(state, 'mounted');
  const attached = await runCli(['attach', entry.address, mounted, '--json'], { env });
  assert.equal(attached.exitCode, 0, attached.stderr);
  const { device } = JSON.parse(attached.stdout) as { device: string };
  assert.equal(sha256(device), sha256(diskPath));
  assert.equal((await runCli(['detach', mounted], { env })).exitCode, 0);

  const written = randomBytes(4096);
  const writable = await runCli(['attach', entry.address, mounted, '--write', '--json'], { env });
  assert.equal(writable.exitCode, 0, writable.stderr);
  await client.shows(/WRITES to disk/);
  const simulated = openSync((JSON.parse(writable.stdout) as { device: string }).device, 'r+');
  writeSync(simulated, written, 0, written.length, MIB);
  closeSync(simulated);
  assert.equal((await runCli(['detach', mounted], { env })).exitCode, 0);
  assert.ok(
    readFileSync(diskPath)
      .subarray(MIB, MIB + written.length)
      .equals(written),
  );
  const missing = await runCli(['attach', `sdz@${name}`, mounted], { env });
  assert.equal(missing.exitCode, 2);
  assert.match(missing.stderr, /has no disk sdz; it has: disk/);
  serve.signalGroup('SIGINT');
  assert.equal((await serve.ended).exitCode, 0);
  const gone = await runCli(['computers', 'disks'], { env });
  assert.equal(gone.exitCode, 2);
  assert.match(gone.stderr, /no "diskferry serve" of this user runs/);
});

test('a grant that the computer keeps to itself, of a missing computer or server, is refused with the reason', async (context) => {
  const { serving, computer } = await manage(context, makeDisk(MIB));
  const wanted = { interfacePath: interfacePath(serving.runFolder), computer: computer.name, disk: 'sdz' };
  const purpose = { job: '1', description: 'test' };
  await assert.rejects(takeManagedGrant(wanted, purpose), { code: 'UNKNOWN_DISK' });
  await assert.rejects(takeManagedGrant({ ...wanted, computer: 'x' }, purpose), { code: 'COMPUTER_MISSING' });
  await serving.stop();
  await assert.rejects(takeManagedGrant(wanted, purpose), {
    code: 'GRANT_FAILED',
    message: /no "diskferry serve"/,
  });
});

test('a server that is ended ends the grants that it holds', async (context) => {
  const { serving, computer } = await manage(context, makeDisk(MIB));
  const [disk = ''] = computer.disks.map(({ name }) => name);
  const wanted = { interfacePath: interfacePath(serving.runFolder), computer: computer.name, disk };
  const grant = await takeManagedGrant(wanted, { job: '1', description: 'test' });
  await serving.stop();
  await grant.ended;
});

test('a disk is written on after the server of its grant was killed and started anew', async (context) => {
  const state = mkdtempSync(join(folder, 'r-'));
  const env = { DISKFERRY_STATE: join(state, 'state'), DISKFERRY_RUN: join(state, 'run') };
  const enrolled = await runCli(['enrol', 'lab', '--folder', join(state, 'media'), '--json'], { env });
  const { ca, enrolment } = JSON.parse(enrolled.stdout) as { ca: string; enrolment: string };
  const start = (port: string): CliProcess => {
    const serve = startCli(['serve', '--listen', '127.0.0.1', '--port', port], { env });
    context.after(() => serve.signalGroup('SIGKILL'));
    return serve;
  };
  const port = String(await stablePort());
  const first = start(port);
  await first.printed(/dial port/);
  const diskPath = makeDisk(4 * MIB);
  const secret = readFileSync(enrolment, 'utf8').trim();
  startManagedClient(context, { port: Number(port), authorityFile: ca, secret, disks: [diskPath] });
  await first.printed(/connected from/);
  const [computer] = JSON.parse(
    (await runCli(['computers', 'disks', '--json'], { env })).stdout,
  ) as ManagedComputer[];
  const address = `${computer?.disks[0]?.name}@${computer?.name}`;
  const mounted = join(state, 'mounted');
  const attached = await runCli(['attach', address, mounted, '--write', '--json'], { env });
  assert.equal(attached.exitCode, 0, attached.stderr);
  const device = openSync((JSON.parse(attached.stdout) as { device: string }).device, 'r+');
  first.signalGroup('SIGKILL');
  await first.ended;
  const second = start(port);
  const written = randomBytes(4096);
  // Waits as long as it takes: the file system would see a delay.
  writeSync(device, written, 0, written.length, 2 * MIB);
  fsyncSync(device);
  closeSync(device);
  assert.ok(
    readFileSync(diskPath)
      .subarray(2 * MIB, 2 * MIB + written.length)
      .equals(written),
  );
  assert.equal((await runCli(['detach', mounted], { env })).exitCode, 0);
  second.signalGroup('SIGINT');
  assert.equal((await second.ended).exitCode, 0);
});
