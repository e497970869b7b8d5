import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { FileRecord } from './describe-tree.ts';
import { readRecords, writeRecords } from './record-file.ts';

const RECORDS: readonly FileRecord[] = Array.from({ length: 2500 }, (_, index) => ({
  path: `folder/two\nlines, byte \xff and line separator \u0085, number ${index}`,
  facts: { type: 'file', content: String(Math.sqrt(index)) },
  inode: index % 2 === 0 ? index : `65:${index}`,
  links: 2,
}));

test('records come back as they were written', async (t) => {
  const path = fileFor(t);
  await writeRecords(path, batches());
  assert.deepEqual(await readAll(path), RECORDS);
});

test('a file that ends too early, or is missing, is an error', async (t) => {
  const path = fileFor(t);
  await assert.rejects(() => readAll(path), { code: 'ENOENT' });
  await writeRecords(path, batches());
  truncateSync(path, 1000);
  await assert.rejects(() => readAll(path), { code: 'Z_BUF_ERROR' });
});

async function* batches(): AsyncGenerator<readonly FileRecord[]> {
  yield RECORDS.slice(0, 1000);
  yield RECORDS.slice(1000);
}

async function readAll(path: string): Promise<FileRecord[]> {
  const records: FileRecord[] = [];
  for await (const batch of readRecords(path)) records.push(...batch);
  return records;
}

function fileFor(t: test.TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-records-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'records');
}
