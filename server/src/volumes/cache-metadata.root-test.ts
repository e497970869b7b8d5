import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import { type CacheMetadata, type NewerBlock, readNewerBlocks } from './cache-metadata.ts';
import { cacheXml, type Mapping } from './test-cached-group.ts';

const MIB = 1024 * 1024;
const CHUNK = 64 * 1024;
const BLOCK = 4096;

/** Metadata that the tools of others make. */
async function makeMetadata(
  bench: Workbench,
  cacheBlocks: number,
  mappings: readonly Mapping[],
  ...options: readonly string[]
): Promise<Buffer> {
  const xml = bench.file('xml', 0);
  await writeFile(xml, cacheXml(cacheBlocks, mappings));
  const output = bench.file('metadata', 16 * MIB);
  await run(['cache_restore', '--quiet', '--input', xml, '--output', output, ...options]);
  return readFile(output);
}

function metadataOf(bytes: Buffer): CacheMetadata {
  return {
    bytes: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

function newerOf(mappings: readonly Mapping[]): NewerBlock[] {
  return mappings
    .map(({ originBlock, cacheBlock }) => ({ originBlock, cacheBlock }))
    .sort((left, right) => left.originBlock - right.originBlock);
}

/** So many that the tree has inner nodes; every third block is free, and those of the origin lie in no order. */
function manyMappings(cacheBlocks: number): Mapping[] {
  return Array.from({ length: cacheBlocks }, (_, cacheBlock) => cacheBlock)
    .filter((cacheBlock) => cacheBlock % 3 !== 0)
    .map((cacheBlock) => ({
      cacheBlock,
      originBlock: (cacheBlock * 7919) % 1_000_003,
      dirty: cacheBlock % 5 === 1,
    }));
}

for (const version of ['1', '2']) {
  test(`the dirty blocks of a cache are found in metadata of version ${version}, and all after a crash`, async (t) => {
    const bench = openWorkbench(t);
    const mappings = manyMappings(200_000);
    const options = ['--metadata-version', version];
    const closed = await makeMetadata(bench, 200_000, mappings, ...options);
    assert.deepEqual(
      await readNewerBlocks(metadataOf(closed), CHUNK),
      newerOf(mappings.filter(({ dirty }) => dirty)),
    );
    const crashed = await makeMetadata(bench, 200_000, mappings, ...options, '--omit-clean-shutdown');
    assert.deepEqual(await readNewerBlocks(metadataOf(crashed), CHUNK), newerOf(mappings));
  });
}

test('a cache that was never opened is empty', async () => {
  assert.deepEqual(await readNewerBlocks(metadataOf(Buffer.alloc(MIB)), CHUNK), []);
});

test('spoilt metadata, another size of blocks and unknown versions are refused', async (t) => {
  const bench = openWorkbench(t);
  const mappings = manyMappings(1000);
  const bytes = await makeMetadata(bench, 1000, mappings, '--metadata-version', '2');
  const good = await readNewerBlocks(metadataOf(bytes), CHUNK);
  let refused = 0;
  for (let place = 0; place < bytes.length; place += BLOCK) {
    if (bytes.subarray(place, place + BLOCK).every((byte) => byte === 0)) continue;
    const spoilt = Buffer.from(bytes);
    spoilt[place + 40] = (spoilt[place + 40] ?? 0) ^ 0x10;
    const found = await readNewerBlocks(metadataOf(spoilt), CHUNK).catch(
      ({ code }: { code: string }) => code,
    );
    if (found === 'DAMAGED') refused++;
    // The space map lies in other blocks.
    else assert.deepEqual(found, good);
  }
  // The superblock, two trees, two blocks of mappings and one of dirty bits.
  assert.equal(refused, 6);
  await assert.rejects(readNewerBlocks(metadataOf(bytes.subarray(0, BLOCK)), CHUNK), { code: 'DAMAGED' });
  await assert.rejects(readNewerBlocks(metadataOf(bytes), CHUNK * 2), /another size/);
  const newer = await makeMetadata(bench, 1000, mappings, '--debug-override-metadata-version', '9');
  await assert.rejects(readNewerBlocks(metadataOf(newer), CHUNK), {
    code: 'UNSUITABLE',
    message: /version 9/,
  });
});
