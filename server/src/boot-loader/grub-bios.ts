import type { BootFacts, BootPartition, MendingPart, WritableDisk } from './boot-mending.ts';
import { embedGrub } from './grub-embed.ts';
import {
  coreLbaField,
  readBlockList,
  readGrubBootSector,
  SAMPLE,
  SECTOR_BYTES,
  type SectorRun,
  withBlockList,
} from './grub-images.ts';
import { remapCore } from './grub-block-list.ts';
import type { BootSurvey } from './survey.ts';

/** Linux keeps boot code out of the first blocks of these file systems, and copying carries them (docs/file-systems.md). */
const BOOT_AREA_BYTES: Readonly<Record<string, number>> = { btrfs: 64 * 1024 };

/** GRUB 2 as it stands on the source. */
export interface FoundGrub {
  /** The first sector of the core. */
  readonly first: Buffer;
  /** All sectors of the core in their order, those of `first` included, on the source. */
  readonly runs: readonly SectorRun[];
  /** The part of it that {@link SAMPLE} says; undefined when it is not in one piece. */
  readonly sample: Buffer | undefined;
  /** The partition that the core is in; undefined for the gap in front of the partitions. */
  readonly partition: BootPartition | undefined;
}

/** A boot sector that may be GRUB's: that of the disk, or of a partition that the MBR of another maker starts. */
export type BootSectorOf = 'disk' | BootPartition;

/**
 * Where a boot sector is GRUB's, finds its core and says what is to be done about it.
 *
 * @returns undefined for a boot sector of others
 */
export async function planGrub(
  facts: BootFacts,
  survey: BootSurvey,
  of: BootSectorOf,
): Promise<MendingPart | undefined> {
  const start = of === 'disk' ? 0 : of.was.start;
  const bootSector = readGrubBootSector(await facts.source.read(start, SECTOR_BYTES));
  if (bootSector === undefined) return undefined;
  const converts = facts.table.kind === 'mbr' && facts.destinationKind === 'gpt';
  if (bootSector.kind === 'grub-legacy') return planLegacy(of, converts);
  const grub = await findCore(facts, bootSector.coreLba);
  if (converts) return { loader: 'GRUB in a BIOS boot partition (BIOS)', ...embedGrub(facts, survey, grub) };
  if (grub === undefined) {
    const note =
      `the boot sector of ${nameOf(of)} is GRUB's, and names sector ${bootSector.coreLba}, where no core of GRUB is: ` +
      'it does not start as it is; run grub-install in the system';
    return { loader: 'GRUB (BIOS)', notes: [note] };
  }
  return { loader: loaderName(grub), ...mendGrub(facts, survey, grub, of) };
}

function planLegacy(of: BootSectorOf, converts: boolean): MendingPart {
  const loader = 'GRUB Legacy (BIOS)';
  if (converts) {
    return { loader, obstacles: ['GRUB Legacy cannot start from a GPT; install GRUB 2 in the system first'] };
  }
  const note =
    `GRUB Legacy in the boot sector of ${nameOf(of)} may remember blocks of its files: ` +
    'if it does not start, run its command setup';
  return { loader, notes: [note] };
}

function nameOf(of: BootSectorOf): string {
  return of === 'disk' ? 'the disk' : `partition ${of.number}`;
}

function loaderName({ partition, runs }: FoundGrub): string {
  if (partition === undefined) return 'GRUB in front of the first partition (BIOS)';
  if (runs.every((run) => movesAlong(partition, run))) return `GRUB in partition ${partition.number} (BIOS)`;
  return `GRUB by a block list in partition ${partition.number} (BIOS)`;
}

/** Reads the core's first sector and its block list; undefined when there is none at that place. */
async function findCore({ source, partitions }: BootFacts, coreLba: number): Promise<FoundGrub | undefined> {
  const start = coreLba * SECTOR_BYTES;
  if (coreLba === 0 || start + SECTOR_BYTES > source.size) return undefined;
  const first = await source.read(start, SECTOR_BYTES);
  const rest = readBlockList(first);
  if (rest === undefined) return undefined;
  const partition = partitions.find(({ was }) => start >= was.start && start < was.start + was.size);
  const sample = await readSample(source, rest);
  return { first, sample, runs: [{ lba: coreLba, sectors: 1 }, ...rest], partition };
}

async function readSample(
  source: BootFacts['source'],
  [run]: readonly SectorRun[],
): Promise<Buffer | undefined> {
  if (run === undefined || run.sectors * SECTOR_BYTES < SAMPLE.start + SAMPLE.bytes) return undefined;
  // The run begins with the second sector of the core.
  const start = run.lba * SECTOR_BYTES + SAMPLE.start - SECTOR_BYTES;
  return start + SAMPLE.bytes <= source.size ? source.read(start, SAMPLE.bytes) : undefined;
}

/** Whether sectors of a partition have the same distance from its start on the destination. */
function movesAlong({ fileSystem, blocksStay = false, was }: BootPartition, { lba }: SectorRun): boolean {
  if (fileSystem.how === 'sectors' || blocksStay) return true;
  return lba * SECTOR_BYTES < was.start + (BOOT_AREA_BYTES[fileSystem.type] ?? 0);
}

/** The table stays of its kind: the core stays, or moves with its partition, or is a file that has other blocks now. */
function mendGrub(facts: BootFacts, survey: BootSurvey, grub: FoundGrub, of: BootSectorOf): MendingPart {
  const { partition, runs } = grub;
  if (partition === undefined) return keepInGap(facts, runs);
  if (!runs.every((run) => movesAlong(partition, run)))
    return remapCore(survey, { ...grub, partition }, startOf(of));
  const distance = partition.start - partition.was.start;
  if (distance === 0) return {};
  return {
    steps: [
      {
        title: `point GRUB in the boot sector of ${nameOf(of)} to its core in partition ${partition.number}, which has moved`,
        run: (destination) =>
          moveCore(destination, grub, { sectors: distance / SECTOR_BYTES, bootSector: startOf(of) }),
      },
    ],
  };
}

/** Where a boot sector is on the destination, in bytes. */
function startOf(of: BootSectorOf): number {
  return of === 'disk' ? 0 : of.start;
}

function keepInGap({ partitions }: BootFacts, runs: readonly SectorRun[]): MendingPart {
  const end = Math.max(...runs.map(({ lba, sectors }) => (lba + sectors) * SECTOR_BYTES));
  const first = partitions.find(({ start }) => start < end);
  if (first === undefined) return {};
  const obstacle =
    `the core of GRUB lies in front of the first partition up to byte ${end}, ` +
    `but partition ${first.number} starts at byte ${first.start} on the destination`;
  return { obstacles: [obstacle] };
}

/** Writes new places into the boot sector and into the block list of a core that is on the destination already. */
async function moveCore(
  destination: WritableDisk,
  { first, runs }: FoundGrub,
  { sectors, bootSector }: { readonly sectors: number; readonly bootSector: number },
): Promise<void> {
  const [start, ...rest] = runs.map((run) => ({ ...run, lba: run.lba + sectors }));
  const moved = withBlockList(first, rest);
  if (start === undefined || moved === undefined)
    throw new TypeError('a core has as much room for its list as before');
  await destination.write(start.lba * SECTOR_BYTES, moved);
  const { offset, data } = coreLbaField(start.lba);
  await destination.write(bootSector + offset, data);
}
