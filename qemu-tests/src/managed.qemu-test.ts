import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { settingsArchive } from '@diskferry/system/medium/settings-archive';
import type { ManagedComputer } from '@diskferry/server/serve/managed-computer';
import { startServing } from '@diskferry/server/serve/testing/serving';
import { run } from '@diskferry/system/run';
import { openSession } from '@diskferry/system/session';
import { artefact } from './artefacts.ts';
import { withBootedClient } from './booted-client.ts';
import { diskferry } from './diskferry.ts';
import { fillRange } from './source-computers/junk.ts';
import { sha256Of, workFile } from './work-files.ts';

const DISK_BYTES = 64 * 1024 * 1024;
/** Where a guest finds this host, in QEMU's user network. */
const HOST = '10.0.2.2';
const SERIAL = 'FERRY-0001';
const EPOCH = 0;
const TIMEOUT_MS = 240_000;
/** What the screen says of the server when it has answered. */
const CONNECTED = new RegExp(`^Server: ${HOST}:\\d+\\n +connected$`, 'm');
const hasDisk = ([computer]: readonly ManagedComputer[]): boolean => computer?.disks.length === 1;

test('a computer whose medium names a server dials it, and its disk is a socket there', async (context) => {
  const serving = await startServing(context, { hosts: [HOST] });
  await using session = openSession('managed-test');
  const disk = await workFile(session, 'managed.raw');
  await fillRange(disk, { start: 0, size: DISK_BYTES }, { signal: undefined });
  const plain = await readFile(artefact('pxe/initrd'));
  const settings = {
    server: `${HOST}:${serving.door.port}`,
    authority: serving.door.authority,
    enrolment: serving.enrol('qemu'),
  };
  const managedInitrd = await workFile(session, 'managed.initrd');
  await writeFile(managedInitrd, Buffer.concat([plain, settingsArchive(settings, EPOCH)]));

  await withBootedClient(
    {
      name: 'managed',
      session,
      medium: 'pxe',
      managedInitrd,
      disks: [{ path: disk, format: 'raw', bus: 'virtio', serial: SERIAL }],
    },
    async ({ machine }) => {
      await machine.waitForSerial(CONNECTED, { timeoutMs: TIMEOUT_MS });
      const [computer] = await serving.computers(hasDisk);
      const [found] = computer?.disks ?? [];
      assert.equal(found?.name, 'vda');
      assert.equal(found.size, DISK_BYTES);
      const copy = await workFile(session, 'copy.raw');
      await run(['nbdcopy', `nbd+unix:///?socket=${found.socket}`, copy]);
      assert.equal(await sha256Of(copy), await sha256Of(disk));
    },
  );
});

test('a computer that starts from a finished ISO, to which a server was added, dials it', async (context) => {
  const serving = await startServing(context, { hosts: [HOST] });
  await using session = openSession('managed-test');
  const disk = await workFile(session, 'customised.raw');
  await fillRange(disk, { start: 0, size: DISK_BYTES }, { signal: undefined });
  const iso = await workFile(session, 'customised.iso');
  const [ca, enrolment] = [await workFile(session, 'ca.pem'), await workFile(session, 'enrolment')];
  await writeFile(ca, serving.door.authority);
  await writeFile(enrolment, serving.enrol('qemu-iso'));
  const server = ['--server', `${HOST}:${serving.door.port}`, '--ca', ca, '--enrolment', enrolment];
  const words = ['media', 'customize', artefact('diskferry.iso'), iso, ...server];
  await diskferry(words, { timeoutMs: TIMEOUT_MS });
  await withBootedClient(
    {
      name: 'managed-iso',
      session,
      medium: 'cd',
      iso,
      dials: true,
      disks: [{ path: disk, format: 'raw', bus: 'virtio', serial: SERIAL }],
    },
    async ({ machine }) => {
      await machine.waitForSerial(CONNECTED, { timeoutMs: TIMEOUT_MS });
      const [computer] = await serving.computers(hasDisk);
      assert.equal(computer?.disks[0]?.size, DISK_BYTES);
      const copy = await workFile(session, 'copy.raw');
      await run(['nbdcopy', `nbd+unix:///?socket=${computer.disks[0].socket}`, copy]);
      assert.equal(await sha256Of(copy), await sha256Of(disk));
    },
  );
});
