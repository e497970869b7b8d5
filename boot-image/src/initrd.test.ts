import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { readCpio } from '@diskferry/system/medium/read-cpio';
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { layerArchive, writeInitrd } from './initrd.ts';
import { LAYERS, OPTIONAL_LAYERS } from './layers/layer.ts';
import { SOURCE_FOLDER } from './locations.ts';

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

async function initrd(): Promise<Buffer> {
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
    epoch: 0,
  });
  return readFile(target);
}

/** The compressed archive of stage 1, and the one behind it whose entries are stored as they are. */
async function archives(): Promise<{ stage1: Map<string, Buffer>; root: Map<string, Buffer> }> {
  const bytes = await initrd();
  const end = bytes.indexOf('070701');
  const unpacked = gunzipSync(bytes.subarray(0, end));
  return { stage1: readCpio(unpacked), root: readCpio(bytes.subarray(end)) };
}

test('the images of all layers are in the initrd as they are, where an archive may begin', async () => {
  const { root } = await archives();
  assert.deepEqual(
    ['system', 'client', 'drivers'].map((layer) => root.get(`layers/${layer}.squashfs`)?.toString()),
    ['system', 'client', 'drivers'],
  );
  assert.equal((await initrd()).indexOf('070701') % 4, 0);
  assert.equal((await initrd()).length % 4, 0);
});

test('stage 1 has the sum of each image, as md5sum reads it', async () => {
  const { stage1 } = await archives();
  const md5 = createHash('md5').update('client').digest('hex');
  assert.equal(stage1.get('sums/client')?.toString(), `${md5}  /layers/client.squashfs\n`);
  assert.ok(stage1.has('init') && stage1.has('sums/system') && stage1.has('sums/drivers'));
});

test('the archive of an optional layer has its image and its sum, where stage 1 looks for them', async () => {
  const archive = readCpio(await layerArchive('firmware', await file('firmware'), 0));
  const md5 = createHash('md5').update('firmware').digest('hex');
  assert.equal(archive.get('layers/firmware.squashfs')?.toString(), 'firmware');
  assert.equal(archive.get('sums/firmware')?.toString(), `${md5}  /layers/firmware.squashfs\n`);
});

test('stage 1 stacks every optional layer that the build makes', async () => {
  const init = await readFile(join(SOURCE_FOLDER, 'initramfs/init'), 'utf8');
  assert.equal(/^OPTIONAL='(.*)'$/m.exec(init)?.[1], OPTIONAL_LAYERS.join(' '));
  assert.equal(/^LAYERS='(.*)'$/m.exec(init)?.[1], LAYERS.join(' '));
});
