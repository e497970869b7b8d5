import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { backingFileOf, release } from '@diskferry/system/resource';
import { openSession } from '@diskferry/system/session';
import { HeldResources } from '../held-resources.ts';
import { createLoopDevice } from './loop-device.ts';

const MIB = 1024 * 1024;

test('the partitions of another disk that has taken over the name of a loop device are left alone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  await using session = openSession('test');
  const file = join(folder, 'disk');
  writeFileSync(file, '');
  truncateSync(file, 4 * MIB);
  const held = new HeldResources(session);
  const disk = await createLoopDevice(held, file, { sectorSize: 512 });
  const part = { start: MIB, size: MIB };
  const partition = await createLoopDevice(held, disk, { sectorSize: 512, part });
  assert.equal(backingFileOf(partition), disk);

  await release({ kind: 'loop', backing: disk, within: join(folder, 'a disk of before') });
  assert.equal(backingFileOf(partition), disk);
  await held.releaseAll();
  assert.equal(backingFileOf(partition), undefined);
  assert.equal(backingFileOf(disk), undefined);
});
