import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { driverOrder } from './driver-order.ts';

test('lists come first, then what nearly every start reads; of the rest nothing is said', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-order-'));
  try {
    const modules = 'usr/lib/modules/6.1.0';
    for (const path of ['modules.alias', 'kernel/drivers/ata/ahci.ko', 'kernel/drivers/net/rare.ko']) {
      await mkdir(dirname(join(folder, modules, path)), { recursive: true });
      await writeFile(join(folder, modules, path), '');
    }
    assert.equal(
      await driverOrder(folder),
      `${modules}/kernel/drivers/ata/ahci.ko 1000\n${modules}/modules.alias 2000\n`,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
