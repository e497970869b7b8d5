import { crc32c } from '../file-systems/crc32c.ts';
import { FileSystemError } from '../file-systems/errors.ts';
import { isZero } from '../file-systems/block-device.ts';

/** All structures of device-mapper's metadata are blocks of that size. */
const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512;
const CHECKSUM_SEED = 0xffffffff;

/** struct cache_disk_superblock of drivers/md/dm-cache-metadata.c, in little endian: offsets of the fields that matter here. */
const SUPERBLOCK = {
  flags: 4,
  magic: 32,
  version: 40,
  mappingRoot: 192,
  chunkSectors: 232,
  cacheBlocks: 240,
  incompatibleFeatures: 252,
  dirtyRoot: 284,
} as const;
const SUPERBLOCK_XOR = 9031977;
const MAGIC = 0o6142003n;
/** The cache was closed in order, and its notes on what is dirty hold. */
const FLAG_CLEAN_SHUTDOWN = 1;
/** In version 2 the dirty blocks are told by a bitset of their own. */
const VERSIONS = [1, 2];

/** struct node_header of drivers/md/persistent-data/dm-btree-internal.h; keys and then values follow. */
const NODE = { flags: 4, entries: 16, maxEntries: 20, keys: 32 } as const;
const NODE_XOR = 121107;
const NODE_IS_INTERNAL = 1;
/** No tree of so few blocks is deeper; damaged ones may go round in circles. */
const MAX_DEPTH = 8;

/** struct array_block of drivers/md/persistent-data/dm-array.c; values of 8 bytes follow. */
const ARRAY = { entries: 8, values: 24 } as const;
const ARRAY_XOR = 595846735;
const VALUES_OF_ARRAY_BLOCK = Math.floor((BLOCK_BYTES - ARRAY.values) / 8);

/** A mapping: the block of the origin from bit 16 on, and flags. */
const ORIGIN_SHIFT = 16n;
const MAPPING_VALID = 1n;
const MAPPING_DIRTY = 2n;

/** A block of the cache in whose place the origin has old contents. */
export interface NewerBlock {
  /** Both count blocks of the cache's size. */
  readonly originBlock: number;
  readonly cacheBlock: number;
}

/** The metadata of a cache. */
export interface CacheMetadata {
  readonly bytes: number;
  readonly read: (offset: number, length: number) => Promise<Buffer>;
}

/**
 * Reads from the metadata of dm-cache which blocks are newer in the cache than on its origin: the dirty ones, or, after a
 * crash, all of them, as the kernel does.
 *
 * @param chunkBytes that the cache's blocks must have
 * @returns in the order of the origin
 * @throws {FileSystemError} `DAMAGED`; `UNSUITABLE` for a version that is not known
 */
export async function readNewerBlocks(metadata: CacheMetadata, chunkBytes: number): Promise<NewerBlock[]> {
  const superblock = await metadata.read(0, BLOCK_BYTES);
  // The kernel makes the metadata of a new cache when it is first opened.
  if (isZero(superblock)) return [];
  expectChecksum(superblock, 0, SUPERBLOCK_XOR);
  const version = superblock.readUInt32LE(SUPERBLOCK.version);
  if (superblock.readBigUInt64LE(SUPERBLOCK.magic) !== MAGIC) throw damaged('it has no superblock');
  if (!VERSIONS.includes(version) || superblock.readUInt32LE(SUPERBLOCK.incompatibleFeatures) !== 0) {
    throw new FileSystemError('UNSUITABLE', `its metadata has version ${version} or features not known here`);
  }
  if (superblock.readUInt32LE(SUPERBLOCK.chunkSectors) * SECTOR_BYTES !== chunkBytes) {
    throw damaged('its blocks have another size than LVM says');
  }
  const count = superblock.readUInt32LE(SUPERBLOCK.cacheBlocks);
  const mappings = await readArray(metadata, placeAt(superblock, SUPERBLOCK.mappingRoot), count);
  const isClosed = (superblock.readUInt32LE(SUPERBLOCK.flags) & FLAG_CLEAN_SHUTDOWN) !== 0;
  const bits =
    version === 1 || !isClosed
      ? undefined
      : await readArray(metadata, placeAt(superblock, SUPERBLOCK.dirtyRoot), Math.ceil(count / 64));

  const newer: NewerBlock[] = [];
  mappings.forEach((mapping, cacheBlock) => {
    if ((mapping & MAPPING_VALID) === 0n) return;
    const isDirty =
      bits === undefined
        ? (mapping & MAPPING_DIRTY) !== 0n
        : (((bits[Math.floor(cacheBlock / 64)] ?? 0n) >> BigInt(cacheBlock % 64)) & 1n) !== 0n;
    if (isDirty || !isClosed) newer.push({ originBlock: Number(mapping >> ORIGIN_SHIFT), cacheBlock });
  });
  return newer.sort((left, right) => left.originBlock - right.originBlock);
}

/** Reads an array of 64-bit values: a tree whose leaves tell the blocks that hold them. */
async function readArray(metadata: CacheMetadata, root: number, count: number): Promise<BigUint64Array> {
  if (count * 8 > metadata.bytes) throw damaged(`it has no room for ${count} entries`);
  const values = new BigUint64Array(count);
  for (const [index, place] of await readLeaves(metadata, root, MAX_DEPTH)) {
    const block = await readBlock(metadata, place, ARRAY_XOR);
    const entries = block.readUInt32LE(ARRAY.entries);
    const first = index * VALUES_OF_ARRAY_BLOCK;
    if (entries > VALUES_OF_ARRAY_BLOCK) throw damaged(`block ${place} has ${entries} entries`);
    for (let entry = 0; entry < entries && first + entry < count; entry++) {
      values[first + entry] = block.readBigUInt64LE(ARRAY.values + entry * 8);
    }
  }
  return values;
}

/** Keys and values of a tree. */
async function readLeaves(
  metadata: CacheMetadata,
  place: number,
  depth: number,
): Promise<(readonly [number, number])[]> {
  if (depth === 0) throw damaged('its tree is too deep');
  const node = await readBlock(metadata, place, NODE_XOR);
  const entries = node.readUInt32LE(NODE.entries);
  const values = NODE.keys + node.readUInt32LE(NODE.maxEntries) * 8;
  if (values + entries * 8 > BLOCK_BYTES) throw damaged(`block ${place} has ${entries} entries`);
  const isInternal = (node.readUInt32LE(NODE.flags) & NODE_IS_INTERNAL) !== 0;
  const leaves: (readonly [number, number])[] = [];
  for (let entry = 0; entry < entries; entry++) {
    const value = placeAt(node, values + entry * 8);
    if (isInternal) leaves.push(...(await readLeaves(metadata, value, depth - 1)));
    else leaves.push([placeAt(node, NODE.keys + entry * 8), value]);
    if (leaves.length * BLOCK_BYTES > metadata.bytes) throw damaged('its tree goes round in circles');
  }
  return leaves;
}

async function readBlock(metadata: CacheMetadata, place: number, xor: number): Promise<Buffer> {
  if ((place + 1) * BLOCK_BYTES > metadata.bytes) throw damaged(`block ${place} lies outside`);
  const block = await metadata.read(place * BLOCK_BYTES, BLOCK_BYTES);
  expectChecksum(block, place, xor);
  return block;
}

function expectChecksum(block: Buffer, place: number, xor: number): void {
  const expected = (crc32c(CHECKSUM_SEED, block.subarray(4)) ^ xor) >>> 0;
  if (block.readUInt32LE(0) !== expected) throw damaged(`block ${place} has a wrong checksum`);
}

function placeAt(block: Buffer, offset: number): number {
  return Number(block.readBigUInt64LE(offset));
}

function damaged(what: string): FileSystemError {
  return new FileSystemError('DAMAGED', `the metadata of the cache cannot be read: ${what}`);
}
