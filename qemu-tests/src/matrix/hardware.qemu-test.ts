import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSession } from '@diskferry/system/session';
import { planBoots } from './boot-plan.ts';
import { makeCatalog } from './catalog.ts';
import { bootWithModels } from './driver-boot.ts';
import { readMedia } from './media.ts';
import { readModuleAliases } from './module-lists.ts';
import { listDevices } from './qemu-devices.ts';

/*
 * All network cards and disk controllers of this QEMU, in as few machines as they fit into. "scripts/test --matrix" tests
 * the ways to start on top, and tells each cell apart.
 */
const catalog = makeCatalog(await listDevices());
const media = await readMedia();
const aliases = await readModuleAliases(media.kernel);

test('this QEMU has no network card and no disk controller that the matrix does not know', () => {
  assert.deepEqual(catalog.unknown, []);
});

for (const [index, models] of planBoots(catalog.models).entries()) {
  const names = models.map(({ name }) => name);
  test(`a computer shows what it has: ${names.join(', ')}`, async () => {
    await using session = openSession('hardware');
    const results = await bootWithModels({ name: `hardware-${index}`, session, models, media, aliases });
    const failed = [...results].filter(([, { state }]) => state === 'failed');
    assert.deepEqual(failed, []);
  });
}
