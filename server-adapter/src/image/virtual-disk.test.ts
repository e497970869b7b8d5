import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hasTool } from '@diskferry/system/tools';
import type { ImageFormat } from '../simulated-disk.ts';
import { createImage, inspectImage } from './virtual-disk.ts';

const skip = !hasTool('qemu-img') && 'qemu-img is missing';
const SIZE = 1024 ** 3;

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-test-'));
});
after(() => rm(folder, { recursive: true }));

describe('a virtual disk file', { skip }, () => {
  for (const format of ['qcow2', 'raw', 'vmdk', 'vhdx', 'vdi'] satisfies ImageFormat[]) {
    test(`of the format ${format} is made sparse and tells what it is`, async () => {
      const path = join(folder, `image.${format}`);
      await createImage(path, format, SIZE);
      const info = await inspectImage(path);
      assert.equal(info.format, format);
      assert.equal(info.virtualSize, SIZE);
      assert.ok(info.allocatedSize < SIZE / 100);
    });
  }

  test('that is not there is named', async () => {
    await assert.rejects(inspectImage('/nowhere/image'), {
      code: 'IMAGE_MISSING',
      message: 'the image /nowhere/image cannot be opened: there is no such file',
    });
  });

  test('whose header is cut off is refused with a reason', async () => {
    const path = join(folder, 'cut.qcow2');
    await createImage(path, 'qcow2', SIZE);
    await truncate(path, 40);
    await assert.rejects(inspectImage(path), {
      code: 'IMAGE_DAMAGED',
      message: /the image .*cut\.qcow2 cannot be read: /,
    });
  });

  test('of a format that diskferry does not use is refused', async () => {
    const path = join(folder, 'other');
    // "WithoutFreeSpace", the signature of Parallels images, in a header of 64 bytes and version 2.
    const header = Buffer.alloc(4096);
    header.write('WithoutFreeSpace');
    header.writeUInt32LE(2, 16);
    await writeFile(path, header);
    await assert.rejects(inspectImage(path), { name: 'ImageError' });
  });

  test('cannot be made where there is no folder', async () => {
    await assert.rejects(createImage('/nowhere/image', 'qcow2', SIZE), /\/nowhere\/image/);
  });
});
