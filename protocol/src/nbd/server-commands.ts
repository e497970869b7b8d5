import { alignOutwards } from './aligned-range.ts';
import { type BlockStatus, descriptorOf, type StatusDescriptor } from './block-status.ts';
import type { BudgetShare } from './byte-budget.ts';
import { type BufferPool, HEADROOM_BYTES } from './buffer-pool.ts';
import { COMMAND, COMMAND_FLAG, commandName } from './constants.ts';
import { MAX_SENT_DESCRIPTORS, PIECE_BYTES } from './limits.ts';
import { ALLOCATION_CONTEXT, type MetaContext } from './meta-contexts.ts';
import type { Request } from './requests.ts';
import type { ServedExport } from './served-export.ts';

/**
 * Carries out FLUSH, TRIM and WRITE_ZEROES.
 *
 * @throws what the disk throws
 */
export async function change(
  { disk }: ServedExport,
  { type, flags, offset, length }: Request,
): Promise<void> {
  switch (type) {
    case COMMAND.FLUSH:
      // Nothing was written, whatever the disk would say to it.
      if (!disk.readOnly) await disk.flush();
      return;
    case COMMAND.TRIM:
      await disk.discard(offset, length);
      break;
    case COMMAND.WRITE_ZEROES:
      await disk.writeZeroes(offset, length, {
        mayPunch: (flags & COMMAND_FLAG.NO_HOLE) === 0,
        fast: (flags & COMMAND_FLAG.FAST_ZERO) !== 0,
      });
      break;
    default:
      throw new TypeError(`${commandName(type)} has passed the refusals but is not carried out`);
  }
  if ((flags & COMMAND_FLAG.FUA) !== 0) await disk.flush();
}

/**
 * Carries out CACHE: reads the range, so that the kernel has it in memory, and throws it away.
 *
 * @param context.wanted whether anybody waits for it
 * @throws what the disk throws
 */
export async function cache(
  { disk, blockSizes }: ServedExport,
  { offset, length }: Request,
  { share, pool, wanted }: { share: BudgetShare; pool: BufferPool; wanted: () => boolean },
): Promise<void> {
  const range = alignOutwards(offset, length, blockSizes.minimum);
  const piece = Math.min(PIECE_BYTES, range.length);
  const granted = share.acquire(piece);
  if (granted !== true && !(await granted)) return;
  const buffer = pool.take(piece);
  try {
    for (let done = 0; done < range.length && wanted(); done += piece) {
      const part = Math.min(piece, range.length - done);
      await disk.read(range.offset + done, buffer.subarray(HEADROOM_BYTES, HEADROOM_BYTES + part));
    }
  } finally {
    pool.give(buffer);
    share.release(piece);
  }
}

/**
 * The answer to BLOCK_STATUS in each context.
 *
 * @throws what the disk throws
 */
export async function blockStatus(
  served: ServedExport,
  request: Request,
  contexts: readonly MetaContext[],
): Promise<BlockStatus[]> {
  const statuses: BlockStatus[] = [];
  for (const { id, name } of contexts) {
    // The context that names the disk says nothing of its parts.
    const descriptors =
      name === ALLOCATION_CONTEXT
        ? await allocation(served, request)
        : [{ length: request.length, flags: 0 }];
    statuses.push({ contextId: id, descriptors });
  }
  return statuses;
}

async function allocation(
  { disk, blockSizes }: ServedExport,
  { offset, length, flags }: Request,
): Promise<StatusDescriptor[]> {
  if (disk.extents === undefined) return [{ length, flags: 0 }];
  const range = alignOutwards(offset, length, blockSizes.minimum);
  const limit = (flags & COMMAND_FLAG.REQ_ONE) === 0 ? MAX_SENT_DESCRIPTORS : 1;
  const found: { length: number; flags: number }[] = [];
  let known = 0;
  // One more than the limit is looked for, so that the last one is as long as it can be.
  while (known < range.length && found.length <= limit) {
    const extents = await disk.extents(range.offset + known, range.length - known);
    if (extents.length === 0) throw new TypeError('a disk knows of no extent in a range');
    for (const extent of extents) {
      const next = descriptorOf(extent);
      const last = found.at(-1);
      if (last?.flags === next.flags) last.length += next.length;
      else found.push({ ...next });
      known += next.length;
    }
  }
  found.length = Math.min(found.length, limit);
  return clipped(found, range.before, length);
}

/** Leaves out what lies before and behind the range that was asked for. */
function clipped(
  descriptors: readonly StatusDescriptor[],
  before: number,
  length: number,
): StatusDescriptor[] {
  const inside: StatusDescriptor[] = [];
  let at = -before;
  for (const descriptor of descriptors) {
    const start = Math.max(at, 0);
    const end = Math.min(at + descriptor.length, length);
    if (end > start) inside.push({ length: end - start, flags: descriptor.flags });
    at += descriptor.length;
  }
  return inside;
}
