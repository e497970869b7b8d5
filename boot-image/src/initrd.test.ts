import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { writeInitrd } from './initrd.ts';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';

const SETTINGS: MediumSettings = { server: 'lab:7443', authority: 'CERTIFICATE\n', enrolment: 'SECRET' };
let scratch = '';

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diskferry-initrd-'));
});
after(() => rm(scratch, { recursive: true, force: true }));

async function file(name: string): Promise<string> {
  const path = join(scratch, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, name);
  return path;
}

/** The archive behind the compressed one of stage 1, whose entries are stored as they are. */
async function rootArchive(settings?: MediumSettings): Promise<string> {
  for (const path of ['drivers/block/loop', 'fs/squashfs/squashfs', 'fs/overlayfs/overlay']) {
    await file(`modules/kernel/${path}.ko`);
  }
  const target = join(scratch, 'initrd');
  await writeInitrd({
    target,
    images: { system: await file('system'), client: await file('client'), drivers: await file('drivers') },
    init: await file('init'),
    busybox: await file('busybox'),
    kernel: { release: '6', vmlinuz: '', modulesFolder: join(scratch, 'modules') },
    settings,
    epoch: 0,
  });
  const bytes = await readFile(target, 'latin1');
  return bytes.slice(bytes.indexOf('070701'));
}

test('the settings of a medium are in its initrd, and the secret only for root', async () => {
  const archive = await rootArchive(SETTINGS);
  // The mode stands before the name: magic, inode, mode, ten more fields of eight digits.
  const modeOf = (path: string): string | undefined =>
    new RegExp(`070701[0-9a-f]{8}([0-9a-f]{8})[0-9a-f]{88}${path}\0`).exec(archive)?.[1];
  assert.equal(Number.parseInt(modeOf('settings') ?? '', 16), 0o040700);
  assert.equal(Number.parseInt(modeOf('settings/enrolment') ?? '', 16), 0o100600);
  for (const content of ['lab:7443\n', 'CERTIFICATE\n', 'SECRET\n']) assert.ok(archive.includes(content));
});

test('a standalone medium has no settings', async () => {
  const archive = await rootArchive();
  assert.ok(archive.includes('layers/client.squashfs'));
  assert.ok(!archive.includes('settings'));
});
