import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { buildBootImage } from './boot-image.ts';
import { sourceDateEpoch } from './epoch.ts';
import { hashFile } from './hash.ts';
import { packLayer } from './layers/pack-layer.ts';
import { cacheFolder } from './locations.ts';

/** The usual one, so that the drivers come from the cache of a usual build. */
const EPOCH = sourceDateEpoch('');
/** Any small dynamic executable of this architecture stands in for the client: its bytes do not matter here. */
const CLIENT = '/bin/true';
let scratch = '';

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diskferry-reproducible-'));
});
after(() => rm(scratch, { recursive: true, force: true }));

const build = async (name: string): Promise<Record<string, string>> => {
  const distFolder = join(scratch, name);
  await buildBootImage({ client: CLIENT, distFolder, cacheFolder: cacheFolder(), epoch: EPOCH });
  const manifest = JSON.parse(await readFile(join(distFolder, 'boot-image.manifest.json'), 'utf8')) as {
    sha256: Record<string, string>;
  };
  assert.equal(manifest.sha256['diskferry.iso'], await hashFile(join(distFolder, 'diskferry.iso')));
  return manifest.sha256;
};

test('two builds from the same inputs give the same bytes', async () => {
  assert.deepEqual(await build('second'), await build('first'));
});

test('a layer has the same bytes whatever the order and the times of its files', async () => {
  const images: Buffer[] = [];
  for (const [name, order] of [
    ['one', ['a', 'b', 'c']],
    ['two', ['c', 'a', 'b']],
  ] as const) {
    const folder = join(scratch, `tree-${name}`);
    await mkdir(join(folder, 'sub'), { recursive: true });
    for (const file of order) await writeFile(join(folder, 'sub', file), file.repeat(100_000));
    await symlink('sub/a', join(folder, 'link'));
    // Each with a cache of its own, so that both are compressed.
    const options = { cacheFolder: join(scratch, `cache-${name}`), epoch: EPOCH };
    images.push(await readFile(await packLayer('system', folder, options)));
  }
  assert.deepEqual(images[0], images[1]);
});

test('a change in a layer is not hidden by the cache', async () => {
  const folder = join(scratch, 'changing');
  await mkdir(folder);
  await writeFile(join(folder, 'file'), 'before');
  const options = { cacheFolder: join(scratch, 'cache-changing'), epoch: EPOCH };
  const first = await packLayer('system', folder, options);
  assert.equal(await packLayer('system', folder, options), first);
  await writeFile(join(folder, 'file'), 'after!');
  assert.notEqual(await packLayer('system', folder, options), first);
});
