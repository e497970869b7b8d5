import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ResultStore } from './result-store.ts';

test('a result is there for the next run with the same media, and for no other media', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-matrix-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const store = new ResultStore(folder, 'first');
  assert.equal(store.read('network-e1000'), undefined);
  store.write('network-e1000', { state: 'failed', reason: 'no link' });
  store.write('network-e1000', { state: 'passed', modules: ['e1000'] });
  assert.deepEqual(new ResultStore(folder, 'first').read('network-e1000'), {
    state: 'passed',
    modules: ['e1000'],
  });
  assert.equal(new ResultStore(folder, 'second').read('network-e1000'), undefined);
});
