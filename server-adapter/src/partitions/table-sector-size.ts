import type { Disk, SectorSize } from '@diskferry/protocol/disk';
import { readGptHeader } from './gpt-header.ts';

/** What a disk without a GPT has: 512 is what most computers expect, and what an MBR is made for. */
const USUAL: SectorSize = { logical: 512, physical: 4096 };
const LARGE: SectorSize = { logical: 4096, physical: 4096 };

/**
 * The sector sizes for which the partition table of a disk is made: its GPT is found at sector 1 only with these
 * (UEFI 2.10, section 5.3.1). An image does not tell them in another way.
 *
 * @throws what the disk throws
 */
export async function tableSectorSize(disk: Pick<Disk, 'size' | 'read'>): Promise<SectorSize> {
  // A disk that was partitioned anew may hold a header of before. A table for small sectors overwrites one for large
  // ones with its entries; the other way round, a program may have left it alone.
  for (const sectorSize of [LARGE, USUAL]) {
    const readable = {
      size: disk.size,
      sectorSize,
      async read(offset: number, length: number): Promise<Buffer> {
        const bytes = Buffer.alloc(length);
        await disk.read(offset, bytes);
        return bytes;
      },
    };
    if (!('damage' in (await readGptHeader(readable, 1)))) return sectorSize;
  }
  return USUAL;
}
