import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { openSync, readFileSync, truncateSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connectNbd } from '@diskferry/protocol/nbd/client';
// oxlint-disable-next-line no-restricted-imports -- the program depends on protocol only; its tests run tools
import { CommandError, run, runJson } from '@diskferry/system/run';
// oxlint-disable-next-line no-restricted-imports -- as above
import { openSession, type Session } from '@diskferry/system/session';
import { type ClientProcess, startClientProcess } from './test-support/client-process.ts';

const DISK_BYTES = 64 * 1024 * 1024;

/** The part of `nbdinfo --json` that is looked at. */
interface NbdInfo {
  readonly exports: readonly {
    readonly 'export-name': string;
    readonly description?: string;
    readonly is_read_only: boolean;
    readonly 'export-size': number;
    readonly block_size_minimum?: number;
    readonly can_multi_conn: boolean;
  }[];
}

/** A disk with random data at both ends and in the middle, and holes between. */
function makeDisk(session: Session, name: string): string {
  const path = join(session.folder, name);
  writeFileSync(path, randomBytes(1024 * 1024));
  truncateSync(path, DISK_BYTES);
  const fd = openSync(path, 'r+');
  for (const offset of [DISK_BYTES / 2 + 4096, DISK_BYTES - 8192])
    writeSync(fd, randomBytes(8192), 0, 8192, offset);
  closeSync(fd);
  return path;
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** A client that is ended with the test. */
async function startClient(context: TestContext, ...args: string[]): Promise<ClientProcess> {
  const client = await startClientProcess(...args);
  context.after(() => client.end());
  return client;
}

function uri({ port }: ClientProcess, exportName: string): string {
  return `nbd://127.0.0.1:${port}/${exportName}`;
}

/** A loop device that is given back with the session. */
async function attachLoop(session: Session, backing: string, sectorSize: number): Promise<string> {
  session.hold({ kind: 'loop', backing });
  const { stdout } = await run(['losetup', '--find', '--show', '--sector-size', String(sectorSize), backing]);
  return stdout.trim();
}

test('nbdinfo lists every disk with its name, size, sectors and description', async (context) => {
  await using session = openSession('client-test');
  const [a, b] = [makeDisk(session, 'a.img'), makeDisk(session, 'b.img')];
  const client = await startClient(context, '--disk', a, '--disk', b, '--sector-size', '4096');
  const list = await runJson<NbdInfo>(['nbdinfo', '--json', '--list', uri(client, '')]);
  assert.deepEqual(
    list.exports.map((entry) => [entry['export-name'], entry.description]),
    ['a.img', 'b.img'].map((name) => [name, 'disk, 67.1 MB, plain file, 4096-byte sectors']),
  );
  const [entry] = list.exports;
  assert.equal(entry?.['export-size'], DISK_BYTES);
  assert.equal(entry?.is_read_only, true);
  assert.equal(entry?.block_size_minimum, 4096);
  assert.equal(entry?.can_multi_conn, true);
});

test('nbdcopy and qemu-img read a disk byte for byte', async (context) => {
  await using session = openSession('client-test');
  const disk = makeDisk(session, 'disk.img');
  const client = await startClient(context, '--disk', disk);
  const [copy, converted] = [join(session.folder, 'copy'), join(session.folder, 'converted')];
  await run(['nbdcopy', uri(client, 'disk.img'), copy]);
  assert.equal(sha256(copy), sha256(disk));
  await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'raw', uri(client, 'disk.img'), converted]);
  assert.equal(sha256(converted), sha256(disk));
});

test('several copies at the same time each get the whole disk', async (context) => {
  await using session = openSession('client-test');
  const disk = makeDisk(session, 'disk.img');
  const client = await startClient(context, '--disk', disk);
  const copies = ['1', '2', '3'].map((name) => join(session.folder, name));
  await Promise.all(copies.map((copy) => run(['nbdcopy', uri(client, 'disk.img'), copy])));
  assert.deepEqual(copies.map(sha256), Array(copies.length).fill(sha256(disk)));
});

test('a write to a disk that was not granted fails and changes nothing', async (context) => {
  await using session = openSession('client-test');
  const [disk, other] = [makeDisk(session, 'disk.img'), makeDisk(session, 'other.img')];
  const before = sha256(disk);
  const client = await startClient(context, '--disk', disk);
  await assert.rejects(run(['nbdcopy', other, uri(client, 'disk.img')]), CommandError);
  await client.end();
  assert.equal(sha256(disk), before);
});

test('a disk with a write grant takes the bytes of another', async (context) => {
  await using session = openSession('client-test');
  const [disk, other] = [makeDisk(session, 'disk.img'), makeDisk(session, 'other.img')];
  const client = await startClient(context, '--disk', disk, '--insecure', '--writable');
  await run(['nbdcopy', '--flush', other, uri(client, 'disk.img')]);
  await client.end();
  assert.equal(sha256(disk), sha256(other));
});

test('an unknown export is refused by its name, and the client goes on', async (context) => {
  await using session = openSession('client-test');
  const client = await startClient(context, '--disk', makeDisk(session, 'disk.img'));
  await assert.rejects(run(['nbdinfo', uri(client, 'sdz')]), { stderr: /sdz/ });
  await run(['nbdinfo', uri(client, 'disk.img')]);
});

test('a disk that ends early while it is open gives an error to the reader and on the screen', async (context) => {
  await using session = openSession('client-test');
  const path = makeDisk(session, 'disk.img');
  const client = await startClient(context, '--disk', path);
  const disk = await connectNbd({
    transport: 'tcp',
    host: '127.0.0.1',
    port: client.port,
    exportName: 'disk.img',
  });
  // As when a USB disk is unplugged in the middle of a capture.
  truncateSync(path, DISK_BYTES / 2);
  await assert.rejects(disk.read(DISK_BYTES / 2, Buffer.alloc(4096)), { errno: 'EIO' });
  await client.printed(
    /connected: 1 .*disk\.img: [^]*errors: 1, the last: disk\.img: cannot read at byte \d+: the disk ends there/,
  );
  await disk.read(0, Buffer.alloc(4096));
  await disk.close();
});

test('a block device with sectors of 4096 bytes is served with them, and written when granted', async (context) => {
  await using session = openSession('client-test');
  const [backing, other] = [makeDisk(session, 'backing.img'), makeDisk(session, 'other.img')];
  const device = await attachLoop(session, backing, 4096);
  const name = device.replace('/dev/', '');

  const reader = await startClient(context, '--disk', device);
  const info = await runJson<NbdInfo>(['nbdinfo', '--json', uri(reader, name)]);
  assert.equal(info.exports[0]?.block_size_minimum, 4096);
  assert.equal(info.exports[0]?.['export-size'], DISK_BYTES);
  const copy = join(session.folder, 'copy');
  await run(['nbdcopy', uri(reader, name), copy]);
  assert.equal(sha256(copy), sha256(backing));
  await reader.end();

  const writer = await startClient(context, '--disk', device, '--insecure', '--writable');
  await run(['nbdcopy', '--flush', other, uri(writer, name)]);
  await writer.end();
  assert.equal(sha256(device), sha256(other));
});

test('a mounted disk is not opened for writing', async (context) => {
  await using session = openSession('client-test');
  const device = await attachLoop(session, makeDisk(session, 'backing.img'), 512);
  await run(['mke2fs', '-q', '-F', device]);
  const folder = join(session.folder, 'mounted');
  await run(['mkdir', folder]);
  session.hold({ kind: 'mount', path: folder });
  await run(['mount', device, folder]);

  const name = device.replace('/dev/', '');
  const writer = await startClient(context, '--disk', device, '--insecure', '--writable');
  const address = { transport: 'tcp', host: '127.0.0.1', port: writer.port, exportName: name } as const;
  await assert.rejects(connectNbd(address));
  await writer.printed(/cannot open .*: EBUSY, it is mounted or in use/);
  const reader = await startClient(context, '--disk', device);
  await run(['nbdinfo', uri(reader, name)]);
});
