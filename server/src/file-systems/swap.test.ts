import assert from 'node:assert/strict';
import test from 'node:test';
import { cleanHeader, findHeaderPage } from './swap.ts';

test('the header is found by its signature at the end of a page of any size', () => {
  for (const pageSize of [4096, 8192, 16384, 65536]) {
    const bytes = Buffer.alloc(65536);
    bytes.write('SWAPSPACE2', pageSize - 10, 'latin1');
    assert.equal(findHeaderPage(bytes)?.length, pageSize);
  }
  assert.equal(findHeaderPage(Buffer.alloc(65536)), undefined);
  assert.equal(findHeaderPage(Buffer.alloc(512)), undefined);
});

test('the header loses bad pages and a saved state, and keeps boot code, size, UUID and label', () => {
  const page = Buffer.alloc(4096, 0xaa);
  page.write('S1SUSPEND\0', 4086, 'latin1');
  const header = cleanHeader(page);
  assert.equal(header.toString('latin1', 4086), 'SWAPSPACE2');
  assert.equal(header.readUInt32LE(1024 + 8), 0);
  assert.deepEqual(header.subarray(0, 1032), page.subarray(0, 1032));
  assert.deepEqual(header.subarray(1036, 1536), page.subarray(1036, 1536));
  assert.ok(header.subarray(1536, 4086).every((byte) => byte === 0));
});
