import type { Difference } from '../compare/difference.ts';
import { readAt, sizeOfDevice, withDevice, writeAt } from './block-device.ts';
import type { Signature } from './blkid.ts';
import { type Destination, examineDestination, SUITABLE, type Suitability, tooSmall } from './destination.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { sectorsFileSystem } from './sectors.ts';
import { forgetCached } from './verify-files.ts';

/**
 * The header page: 1024 bytes that belong to boot loaders, then version, last page, number of bad pages, UUID,
 * label, 117 reserved words, the bad pages; the signature stands at the page's end. Source: include/linux/swap.h,
 * union swap_header. A hibernated system writes its own signature there and its data before it.
 */
const PAGE_SIZES = [4096, 8192, 16384, 65536] as const;
const SIGNATURE = Buffer.from('SWAPSPACE2', 'latin1');
const LAST_PAGE_OFFSET = 1024 + 4;
const BAD_PAGE_COUNT_OFFSET = 1024 + 8;
const BAD_PAGES_OFFSET = 1024 + 512;
/** mkswap makes none with less. */
const LEAST_PAGES = 10;
/** Signatures of saved states: kernel/power/swap.c, TuxOnIce and uswsusp, as blkid knows them. */
const HIBERNATED = ['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', 'LINHIB0001'].map((text) =>
  Buffer.from(text.padEnd(SIGNATURE.length, '\0'), 'latin1'),
);

/** Examines a swap area. Its header is carried, its contents are worth nothing after the computer was stopped. */
export async function recogniseSwap(device: string, signature: Signature): Promise<FileSystem> {
  const { uuid, label } = signature;
  const size = await sizeOfDevice(device);
  const page = await readHeader(device);
  if (page === undefined) {
    const reason = 'this swap area has an old or unknown format: it is copied as sectors';
    return sectorsFileSystem(device, signature, reason);
  }
  const suitability = (destination: Destination): Suitability => suitabilityOf(page.length, destination);
  const header = cleanHeader(page);
  return {
    type: 'swap',
    uuid,
    label,
    size,
    usedBytes: header.length,
    smallestBytes: leastBytes(page.length),
    how: 'recreated',
    notes: isHibernated(page)
      ? ['it holds the state of a hibernated system, which is not captured: the copy starts afresh']
      : [],
    suitability,
    // Whatever the disk holds behind the header means nothing.
    create: async (destination) => {
      const { bytes } = await examineDestination(destination, suitability);
      await writeHeader(destination, bytes === size ? header : headerForSize(header, bytes));
    },
    copy: async (_source: string, _destination: string, { onProgress }: CopyContext) =>
      onProgress(header.length),
    verify: async (_source, destination, { signal }) => {
      await forgetCached(destination, signal);
      const { bytes } = await examineDestination(destination, suitability);
      return verifyHeader(destination, bytes === size ? header : headerForSize(header, bytes));
    },
  };
}

/** The header page, or undefined when no page size gives a signature. */
async function readHeader(device: string): Promise<Buffer | undefined> {
  const size = await sizeOfDevice(device);
  return withDevice(device, 'read', async (file) => {
    const bytes = await readAt(file, 0, Math.min(PAGE_SIZES[PAGE_SIZES.length - 1] ?? 0, size));
    return findHeaderPage(bytes);
  });
}

/** Finds the header page in the first bytes of a swap area: its length is the page size of the computer. */
export function findHeaderPage(bytes: Buffer): Buffer | undefined {
  const pageSize = PAGE_SIZES.find((pageSize) => {
    const signature = bytes.subarray(pageSize - SIGNATURE.length, pageSize);
    return signature.equals(SIGNATURE) || HIBERNATED.some((other) => signature.equals(other));
  });
  return pageSize === undefined ? undefined : Buffer.from(bytes.subarray(0, pageSize));
}

function isHibernated(page: Buffer): boolean {
  return !page.subarray(page.length - SIGNATURE.length).equals(SIGNATURE);
}

/** The same header without a saved state and without the bad pages of the old disk. */
export function cleanHeader(page: Buffer): Buffer {
  const header = Buffer.from(page);
  header.writeUInt32LE(0, BAD_PAGE_COUNT_OFFSET);
  header.fill(0, BAD_PAGES_OFFSET);
  SIGNATURE.copy(header, header.length - SIGNATURE.length);
  return header;
}

/** The same header for an area of another size. */
export function headerForSize(header: Buffer, bytes: number): Buffer {
  const resized = Buffer.from(header);
  const pages = Math.min(Math.floor(bytes / header.length), 2 ** 32);
  resized.writeUInt32LE(pages - 1, LAST_PAGE_OFFSET);
  return resized;
}

function leastBytes(pageBytes: number): number {
  return LEAST_PAGES * pageBytes;
}

function suitabilityOf(pageBytes: number, destination: Destination): Suitability {
  const needed = leastBytes(pageBytes);
  return destination.bytes < needed ? tooSmall('swap', needed, destination) : SUITABLE;
}

async function writeHeader(device: string, header: Buffer): Promise<void> {
  await withDevice(device, 'write', (file) => writeAt(file, 0, header));
}

async function verifyHeader(device: string, wanted: Buffer): Promise<Difference[]> {
  const made = await withDevice(device, 'read', (file) => readAt(file, 0, wanted.length));
  if (made.equals(wanted)) return [];
  return [{ path: '', property: 'header of the swap area', left: `${wanted.length} bytes`, right: 'others' }];
}
