import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import test from 'node:test';
import { recogniseFileSystem } from './recognise.ts';
import { allocatedBytes, openWorkbench } from './test-devices.ts';

const MIB = 1024 * 1024;

test('a partition without a known file system is copied sector by sector, its zeros as holes', async (t) => {
  const bench = openWorkbench(t);
  // Not a multiple of a piece, with data in the last sector and across the border of two pieces.
  const size = 20 * MIB + 512;
  const sourceFile = bench.file('source', size);
  await write(sourceFile, 3 * MIB - 700, Buffer.alloc(2000, 0x11));
  await write(sourceFile, size - 512, Buffer.alloc(512, 0x22));
  const source = await bench.loop(sourceFile, { readOnly: true });
  const destinationFile = bench.file('destination', size);
  const destination = await bench.loop(destinationFile);

  const fileSystem = await recogniseFileSystem(source, { session: bench.session });
  assert.deepEqual([fileSystem.type, fileSystem.how, fileSystem.usedBytes], ['unknown', 'sectors', size]);
  assert.match(fileSystem.notes.join(), /no known file system/);
  await fileSystem.create(destination, bench.context);
  await fileSystem.copy(source, destination, bench.context);

  assert.equal(await hash(destinationFile), await hash(sourceFile));
  assert.ok((await allocatedBytes(destinationFile)) <= 3 * 64 * 1024);
  assert.equal(bench.progress.at(-1), size);
});

test('a copy of sectors onto a smaller device is refused before anything is written', async (t) => {
  const bench = openWorkbench(t);
  const sourceFile = bench.file('source', 4 * MIB);
  await write(sourceFile, 0, Buffer.alloc(4096, 1));
  const destinationFile = bench.file('destination', 3 * MIB);
  const destination = await bench.loop(destinationFile);
  const fileSystem = await recogniseFileSystem(sourceFile);
  await assert.rejects(() => fileSystem.copy(sourceFile, destination, bench.context), {
    code: 'DESTINATION_FULL',
  });
  assert.equal(await allocatedBytes(destinationFile), 0);
});

test('a copy of sectors stops when it is aborted', async (t) => {
  const abort = new AbortController();
  const bench = openWorkbench(t, abort.signal);
  const sourceFile = bench.file('source', 64 * MIB);
  const destinationFile = bench.file('destination', 64 * MIB);
  const fileSystem = await recogniseFileSystem(sourceFile);
  const context = { ...bench.context, onProgress: () => abort.abort() };
  await assert.rejects(() => fileSystem.copy(sourceFile, destinationFile, context), { name: 'AbortError' });
});

test('a source that ends too early fails the copy with the place', async (t) => {
  const bench = openWorkbench(t);
  const sourceFile = bench.file('source', 4 * MIB);
  const source = await bench.loop(sourceFile);
  const destination = await bench.loop(bench.file('destination', 4 * MIB));
  const fileSystem = await recogniseFileSystem(source);
  const shortened = await open(sourceFile, 'r+');
  await shortened.truncate(MIB);
  await shortened.close();
  await assert.rejects(() => fileSystem.copy(source, destination, bench.context), {
    code: 'READ_FAILED',
    message: /at byte \d+/,
  });
});

test('a partition with a file system that has no driver here says which one', async (t) => {
  const bench = openWorkbench(t);
  const luks = bench.file('luks', 4 * MIB);
  await write(luks, 0, Buffer.concat([Buffer.from('LUKS\xba\xbe', 'latin1'), Buffer.from([0, 1])]));
  const fileSystem = await recogniseFileSystem(luks);
  assert.deepEqual([fileSystem.type, fileSystem.how], ['crypto_LUKS', 'sectors']);
  assert.match(fileSystem.notes.join(), /no driver for crypto_LUKS/);
});

async function write(path: string, offset: number, data: Buffer): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(data, 0, data.length, offset);
  await file.close();
}

async function hash(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
