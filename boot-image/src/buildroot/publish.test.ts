import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listTree } from '../layers/list-tree.ts';
import { publishArtefacts } from './publish.ts';

test('media take the place of those that are there; what else Buildroot left stays where it is', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'diskferry-publish-'));
  try {
    const [images, dist] = [join(scratch, 'images'), join(scratch, 'dist')];
    for (const folder of [join(images, 'pxe/grub'), join(dist, 'pxe')])
      await mkdir(folder, { recursive: true });
    for (const path of ['bzImage', 'rootfs.tar', 'diskferry.iso', 'pxe/vmlinuz', 'pxe/grub/grub.cfg']) {
      await writeFile(join(images, path), `new ${path}`);
    }
    await writeFile(join(dist, 'diskferry.iso'), 'old');
    await writeFile(join(dist, 'imaging-client'), 'kept');
    await publishArtefacts(images, dist);
    const paths = (await listTree(dist)).filter((path) => path !== 'pxe' && path !== 'pxe/grub').sort();
    assert.deepEqual(paths, ['diskferry.iso', 'imaging-client', 'pxe/grub/grub.cfg', 'pxe/vmlinuz']);
    for (const path of paths.filter((name) => name !== 'imaging-client')) {
      assert.equal(await readFile(join(dist, path), 'utf8'), `new ${path}`);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
});
