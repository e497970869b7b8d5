/** Who gets at the disks through the port of disks, with everything between TLS and the disk in place. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { connectNbd, listExports } from '@diskferry/protocol/nbd/client';
import type { ClientTls } from '@diskferry/protocol/nbd/client-tls';
import { createAuthority, issueCertificate } from '@diskferry/trust/authority';
import { createIdentity, type Identity } from '@diskferry/trust/identity';
import { clientTls } from '@diskferry/trust/secure-context';
import { type Access, keyedAccess, openAccess } from '../access/access.ts';
import { PairedServers } from '../access/paired-servers.ts';
import type { LocalDisk } from '../disks/local-disk.ts';
import { ActivityBook } from './activity.ts';
import { diskCatalog } from './disk-catalog.ts';
import { DiskPool } from './disk-pool.ts';
import { startDiskServer } from './disk-server.ts';

const [computer, paired, stranger] = (await Promise.all(
  ['computer', 'paired server', 'stranger'].map(createIdentity),
)) as [Identity, Identity, Identity];

const SDA: LocalDisk = {
  info: {
    name: 'sda',
    size: 1024 * 1024,
    sectorSize: { logical: 512, physical: 512 },
    transport: 'file',
    removable: false,
    readOnly: false,
  },
  path: '/dev/sda',
  kind: 'file',
  generation: '1',
};

const as = (identity: Identity): ClientTls => clientTls(identity, computer.fingerprint);
const nobody: ClientTls = { secureContext: createSecureContext(), verify: () => undefined };

function keyed(context: TestContext, authority?: string): Access {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-access-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const servers = new PairedServers(folder);
  servers.add({ fingerprint: paired.fingerprint, address: '127.0.0.1' });
  return keyedAccess({ identity: computer, servers, authority });
}

async function start(context: TestContext, access: Access) {
  const bytes = Buffer.alloc(SDA.info.size);
  const pool = new DiskPool(async (_, { writable }) => new MemoryDisk(bytes, { readOnly: !writable }));
  const book = new ActivityBook();
  const server = await startDiskServer({
    port: 0,
    host: '127.0.0.1',
    access,
    catalogFor: (peer) => diskCatalog({ listDisks: () => [SDA], pool, book, access, peer }),
  });
  context.after(() => server.close());
  const { port } = server;
  return {
    bytes,
    list: (tls?: ClientTls) => listExports({ host: '127.0.0.1', port }, { tls }),
    open: (exportName: string, tls?: ClientTls) =>
      connectNbd({ transport: 'tcp', host: '127.0.0.1', port, exportName }, { tls }),
  };
}

function grantFor(access: Access, { fingerprint }: Identity): string {
  return access.grants.give(
    { id: fingerprint, name: '127.0.0.1' },
    {},
    {
      disk: 'sda',
      generation: '1',
      job: 'deploy-7',
      description: 'web.qcow2',
    },
  ).exportName;
}

test('a paired server lists the disks and reads them, and cannot write', async (context) => {
  const { list, open } = await start(context, keyed(context));
  const [entry] = await list(as(paired));
  assert.equal(entry?.name, 'sda');
  assert.equal(entry.readOnly, true);
  const disk = await open('sda', as(paired));
  await disk.read(0, Buffer.alloc(4096));
  await assert.rejects(disk.write(0, Buffer.alloc(512)), { errno: 'EPERM' });
  await disk.close();
});

for (const [who, tls] of [
  ['with a key that is not known', as(stranger)],
  ['that shows no certificate', nobody],
] as const) {
  test(`a server ${who} is refused with advice, for listing and for each name`, async (context) => {
    const access = keyed(context);
    const exportName = grantFor(access, paired);
    const { list, open } = await start(context, access);
    const refused = { code: 'NBD_REFUSED', message: /does not let that server in: .*--pair CODE/ };
    await assert.rejects(list(tls), refused);
    for (const name of ['sda', '', 'sdz', exportName]) await assert.rejects(open(name, tls), refused);
  });
}

test('plain text is refused', async (context) => {
  const { list, open } = await start(context, keyed(context));
  await assert.rejects(list(), { code: 'NBD_REFUSED' });
  await assert.rejects(open('sda'), { code: 'NBD_REFUSED' });
});

test('a computer with another key than the pinned one is refused', async (context) => {
  const { open } = await start(context, keyed(context));
  await assert.rejects(open('sda', clientTls(paired, stranger.fingerprint)), {
    code: 'NBD_UNTRUSTED',
    message: /another key/,
  });
});

test('with a grant its server writes, until the grant ends', async (context) => {
  const access = keyed(context);
  const exportName = grantFor(access, paired);
  const { open, list, bytes } = await start(context, access);
  const disk = await open(exportName, as(paired));
  assert.equal(disk.readOnly, false);
  await disk.write(512, Buffer.alloc(512, 7));
  assert.equal(bytes[512], 7);
  assert.deepEqual(
    (await list(as(paired))).map(({ name }) => name),
    ['sda'],
    'the name is not listed',
  );
  access.grants.end({ id: paired.fingerprint, name: '' }, 'sda');
  await assert.rejects(disk.write(512, Buffer.alloc(512, 8)), { errno: 'EPERM' });
  assert.equal(bytes[512], 7);
  await disk.close();
  await assert.rejects(open(exportName, as(paired)), { code: 'NBD_REFUSED', message: /has ended/ });
});

test("another paired server's grant is refused", async (context) => {
  const access = keyed(context);
  access.pairing?.servers.add({ fingerprint: stranger.fingerprint, address: '127.0.0.1' });
  const exportName = grantFor(access, paired);
  const { open } = await start(context, access);
  await assert.rejects(open(exportName, as(stranger)), { code: 'NBD_REFUSED' });
});

test('a certificate of the authority is let in, one of another authority is refused', async (context) => {
  const [ours, others] = await Promise.all(['lab', 'lab'].map(createAuthority));
  assert.ok(ours && others);
  const { list } = await start(context, keyed(context, ours.certificate));
  const certified = await issueCertificate(ours, { commonName: 'a client' });
  assert.equal((await list(as(certified))).length, 1);
  const forged = await issueCertificate(others, { commonName: 'a client' });
  await assert.rejects(list(as(forged)), { code: 'NBD_REFUSED' });
  assert.equal((await list(as(paired))).length, 1, 'who has paired is let in, too');
});

test('in plain text everybody reads, and writes only with --writable', async (context) => {
  for (const writable of [false, true]) {
    const { list } = await start(context, openAccess({ writable }));
    const [entry] = await list();
    assert.equal(entry?.readOnly, !writable);
  }
});
