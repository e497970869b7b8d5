import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { open, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openWorkbench } from '../file-systems/test-devices.ts';
import { NewImage, type NewImageOptions } from './new-image.ts';

const MIB = 1024 * 1024;
const GEOMETRY = { bytes: 16 * MIB, sectorSize: { logical: 512, physical: 512 } };

/** A new image that was written, and is neither checked nor named yet. */
async function writtenImage(t: TestContext, format: NewImageOptions['format']) {
  const { folder, session } = openWorkbench(t);
  const path = join(folder, `image.${format}`);
  const image = new NewImage(path, { format, session, driver: 'auto' });
  image.shape(GEOMETRY);
  const { device } = await image.open(new AbortController().signal);
  const file = await open(device, 'r+');
  await file.write(Buffer.alloc(4 * MIB, 'data'), 0, 4 * MIB, 8 * MIB);
  await file.sync();
  await file.close();
  await image.close();
  const partial = (await readdir(folder)).find((name) => name.endsWith('.partial'));
  assert.ok(partial);
  return { image, path, partial: join(folder, partial) };
}

for (const format of ['vdi', 'qcow2', 'vmdk', 'vhdx', 'raw'] as const) {
  test(`a new image of the format ${format} gets its name when it is whole, and not when it was cut short`, async (t) => {
    const whole = await writtenImage(t, format);
    await whole.image.finish();
    assert.ok((await stat(whole.path)).size > 4 * MIB);
    const cut = await writtenImage(t, format);
    await truncate(cut.partial, (await stat(cut.partial)).size - MIB);
    // It passes: this is why headers are looked at too.
    if (format === 'vdi') await run(['qemu-img', 'check', '-q', '-f', format, cut.partial]);
    const byHeader = { code: 'IMAGE_DAMAGED', message: /^the new image .* is not whole: it / };
    await assert.rejects(cut.image.finish(), format === 'vdi' || format === 'raw' ? byHeader : Error);
    assert.ok(!existsSync(cut.path));
  });
}
