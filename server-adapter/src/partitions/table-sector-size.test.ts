import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { tableSectorSize } from './table-sector-size.ts';

const SIZE = 1024 * 1024;

/** A disk with the primary half of a GPT. */
function diskWithGpt(...sectorSizes: number[]): MemoryDisk {
  const bytes = Buffer.alloc(SIZE);
  for (const sector of sectorSizes) {
    const entries = bytes.subarray(2 * sector, 2 * sector + 128 * 128).fill(0);
    const header = bytes.subarray(sector, 2 * sector);
    header.fill(0);
    header.write('EFI PART', 'latin1');
    header.writeUInt32LE(0x10000, 8);
    header.writeUInt32LE(92, 12);
    header.writeBigUInt64LE(1n, 24);
    header.writeBigUInt64LE(BigInt(SIZE / sector - 1), 32);
    header.writeBigUInt64LE(2n, 72);
    header.writeUInt32LE(128, 80);
    header.writeUInt32LE(128, 84);
    header.writeUInt32LE(crc32(entries), 88);
    header.writeUInt32LE(crc32(header.subarray(0, 92)), 16);
  }
  return new MemoryDisk(bytes);
}

test('a GPT tells for which sectors it is made', async () => {
  assert.equal((await tableSectorSize(diskWithGpt(512))).logical, 512);
  assert.equal((await tableSectorSize(diskWithGpt(4096))).logical, 4096);
});

test('of two tables, the one that was made last tells', async () => {
  assert.equal((await tableSectorSize(diskWithGpt(512, 4096))).logical, 4096);
  assert.equal((await tableSectorSize(diskWithGpt(4096, 512))).logical, 512);
});

test('a disk without a GPT has the usual sectors', async () => {
  assert.equal((await tableSectorSize(new MemoryDisk(new Uint8Array(SIZE)))).logical, 512);
  assert.equal((await tableSectorSize(new MemoryDisk(new Uint8Array(4096)))).logical, 512);
});

test('the words "EFI PART" without a sound header tell nothing', async () => {
  const disk = diskWithGpt(4096);
  Buffer.from(disk.bytes.buffer, disk.bytes.byteOffset).write('EFI PART', 512, 'latin1');
  assert.equal((await tableSectorSize(disk)).logical, 4096);
  disk.bytes[4096 + 56] = 0x77;
  assert.equal((await tableSectorSize(disk)).logical, 512);
});
