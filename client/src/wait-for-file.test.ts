import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { waitForFile } from './wait-for-file.ts';

test('waits until the file is there, but not for ever', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-wait-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'settled');
  let isThere = false;
  const waiting = waitForFile(path).then(() => assert.equal(isThere, true));
  setImmediate(() => {
    isThere = true;
    writeFileSync(path, '');
  });
  await waiting;
  await waitForFile(join(folder, 'never'), 1);
});
