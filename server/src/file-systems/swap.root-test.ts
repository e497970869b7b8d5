import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { recogniseFileSystem } from './recognise.ts';
import { allocatedBytes, openWorkbench, type Workbench } from './test-devices.ts';

const SIZE = 64 * 1024 * 1024;
const JUNK_BYTES = 1024 * 1024;
const UUID = '0d2a1a6e-9f3e-4b54-8b4a-6d3c2c7b9e11';

for (const pageSize of [4096, 65536]) {
  test(`a swap area with pages of ${pageSize} bytes is made anew with its UUID and label`, async (t) => {
    const bench = openWorkbench(t);
    const source = await swapArea(bench, pageSize);
    await fillWithJunk(source);
    const file = bench.file('destination', SIZE);
    const destination = await bench.loop(file);

    const fileSystem = await recogniseFileSystem(source);
    assert.equal(fileSystem.how, 'recreated');
    assert.deepEqual([fileSystem.uuid, fileSystem.label], [UUID, 'swap space']);
    assert.deepEqual(fileSystem.notes, []);
    await fileSystem.create(destination, bench.context);
    await fileSystem.copy(source, destination, bench.context);

    assert.equal(await probe(destination), await probe(source));
    // The header page takes 64 KiB at most, the junk a megabyte; the file system may use blocks of its own to tell of holes.
    assert.ok((await allocatedBytes(file)) < JUNK_BYTES / 2, 'the junk in the swap area stays behind');
  });
}

for (const size of [SIZE, SIZE / 4, SIZE * 2]) {
  test(`the twin of a swap area fills its device of ${size} bytes`, async (t) => {
    const bench = openWorkbench(t);
    const source = await swapArea(bench, 4096);
    const destination = await bench.loop(bench.file('destination', size), { sectorSize: 4096 });
    const fileSystem = await recogniseFileSystem(source);
    await fileSystem.create(destination, bench.context);
    assert.equal(await lastPage(destination), size / 4096 - 1);
    assert.deepEqual((await recogniseFileSystem(destination)).uuid, UUID);
  });
}

test('the saved state of a hibernated system is left behind, and this is said', async (t) => {
  const bench = openWorkbench(t);
  const source = await swapArea(bench, 4096);
  await write(source, 4096 - 10, Buffer.from('S1SUSPEND\0', 'latin1'));
  await write(source, 2048, Buffer.alloc(1024, 0xab));
  const destination = await bench.loop(bench.file('destination', SIZE));

  const fileSystem = await recogniseFileSystem(source);
  assert.match(fileSystem.notes.join(), /hibernated/);
  await fileSystem.create(destination, bench.context);
  const twin = await recogniseFileSystem(destination);
  assert.deepEqual([twin.type, twin.uuid, twin.label], ['swap', UUID, 'swap space']);
  assert.deepEqual(twin.notes, []);
});

test('a swap area is not made on a device that is too small', async (t) => {
  const bench = openWorkbench(t);
  const source = await swapArea(bench, 4096);
  const destination = await bench.loop(bench.file('destination', 32 * 1024));
  const fileSystem = await recogniseFileSystem(source);
  await assert.rejects(() => fileSystem.create(destination, bench.context), { code: 'UNSUITABLE' });
});

async function swapArea(bench: Workbench, pageSize: number): Promise<string> {
  const source = await bench.loop(bench.file('source', SIZE));
  await run(['mkswap', '--pagesize', String(pageSize), '-U', UUID, '-L', 'swap space', source]);
  return source;
}

async function fillWithJunk(device: string): Promise<void> {
  await write(device, JUNK_BYTES, Buffer.alloc(JUNK_BYTES, 0x5a));
}

async function write(device: string, offset: number, data: Buffer): Promise<void> {
  const file = await open(device, 'r+');
  await file.write(data, 0, data.length, offset);
  await file.sync();
  await file.close();
}

async function probe(device: string): Promise<string> {
  const { stdout } = await run(['blkid', '-p', '-o', 'udev', device]);
  return stdout;
}

async function lastPage(device: string): Promise<number> {
  const file = await open(device, 'r');
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 1024 + 4);
  await file.close();
  return buffer.readUInt32LE();
}
