import { BIOS_BOOT_TYPE, gptFromMbr } from '@diskferry/server-adapter/partitions/mbr-to-gpt';
import type { PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import type { Session } from '@diskferry/system/session';
import type { BootMending } from '../boot-loader/boot-mending.ts';
import { planBootMending } from '../boot-loader/plan-boot-mending.ts';
import {
  type Layout,
  LayoutError,
  type PlacedPartition,
  type VolumeNeeds,
} from '../layout/layout-request.ts';
import { planLayout } from '../layout/plan-layout.ts';
import { BOOT_CODE_BYTES } from '../boot-proof/firmware-of.ts';
import { RefusedError } from '../refused-error.ts';
import { isZero } from '../file-systems/block-device.ts';
import { bytesToMove } from '../file-systems/bytes-to-move.ts';
import type { Geometry } from './destination.ts';
import { isFixed } from './fixed-partitions.ts';
import { nameOfPartition, type SourceSurvey, type Volume } from './source-survey.ts';
import type { TransferWishes } from './wishes.ts';

/** A volume and the place that it gets. */
export interface PlacedVolume extends Volume {
  readonly placed: PlacedPartition;
}

/** What a transfer found and will do. */
export interface TransferPlan {
  readonly survey: SourceSurvey;
  /** Of the destination; the source's own unless an MBR becomes a GPT. */
  readonly table: PartitionTable;
  readonly geometry: Geometry;
  readonly layout: Layout;
  readonly volumes: readonly PlacedVolume[];
  /** Table, sectors and places are those of the source: boot code and table are copied as they are. */
  readonly isExact: boolean;
  readonly boot: BootMending;
  /** What the contents will about take, in bytes. */
  readonly estimatedBytes: number;
  /** What will be different or lost, and what was found wrong, in sentences. */
  readonly warnings: readonly string[];
}

/**
 * Decides what goes where; writes nothing.
 *
 * @throws {RefusedError} `DOES_NOT_FIT`, `UNSUITABLE`, `NOT_BOOTABLE`, `NO_MBR`
 */
export async function planTransfer(
  survey: SourceSurvey,
  geometry: Geometry,
  wishes: TransferWishes,
  session: Session,
): Promise<TransferPlan> {
  const { source } = survey;
  const table = wishes.toGpt ? await gptOf(survey) : survey.table;
  const layout = layOut(survey, table, geometry, wishes);
  const volumes = survey.volumes.map((volume) => ({ ...volume, placed: placeOf(volume, layout) }));
  const changes = refuseUnsuitable(volumes, geometry);
  const boot = await planBootMending({
    source,
    table: survey.table,
    destinationKind: table.kind,
    destination: { bytes: geometry.bytes, sectorBytes: geometry.sectorSize.logical },
    partitions: volumes.map(({ placed, fileSystem, device, usedBlocks }) => ({
      ...placed,
      fileSystem,
      sourceDevice: device,
      blocksStay: usedBlocks !== undefined,
    })),
    biosBoot: layout.partitions.find(
      ({ number, type }) =>
        type === BIOS_BOOT_TYPE && !volumes.some(({ partition }) => partition.number === number),
    ),
    session,
  });
  if (boot.obstacles.length > 0) {
    throw new RefusedError('NOT_BOOTABLE', `the result would not start: ${boot.obstacles.join('; ')}`);
  }
  return {
    survey,
    table,
    geometry,
    layout,
    volumes,
    isExact:
      layout.unchanged &&
      !wishes.toGpt &&
      geometry.bytes === source.size &&
      geometry.sectorSize.logical === source.sectorSize.logical,
    boot,
    estimatedBytes: volumes.reduce((sum, volume) => sum + bytesOf(volume), 0),
    warnings: [...survey.warnings, ...changes, ...boot.notes],
  };
}

/** What a transfer has to move for a volume, in bytes. */
export function bytesOf({ fileSystem, usedBlocks }: Pick<Volume, 'fileSystem' | 'usedBlocks'>): number {
  return usedBlocks?.usedBytes ?? bytesToMove(fileSystem);
}

async function gptOf({ table, source }: SourceSurvey): Promise<PartitionTable> {
  if (table.kind !== 'mbr') {
    const found = table.kind === 'gpt' ? 'already has a GPT' : 'has no partition table';
    throw new RefusedError('NO_MBR', `the source ${found}; leave --gpt away`);
  }
  const bootCode = await source.read(0, BOOT_CODE_BYTES);
  return gptFromMbr(table, { biosBoot: !isZero(bootCode) && source.sectorSize.logical === 512 });
}

function layOut(
  { source, volumes }: SourceSurvey,
  table: PartitionTable,
  { bytes, sectorSize }: Geometry,
  { sizes }: TransferWishes,
): Layout {
  const [only] = volumes;
  if (only?.partition.number === 0) return { partitions: [], unchanged: bytes === source.size };
  const needs = new Map<number, VolumeNeeds>(
    volumes.map((volume) => [volume.partition.number, needsOf(volume)]),
  );
  for (const { number, size } of table.partitions) {
    // A partition that the source does not have is there for its size.
    if (!needs.has(number)) needs.set(number, { smallestBytes: size, growable: false });
  }
  try {
    return planLayout({
      table,
      needs,
      sourceBytes: source.size,
      sourceSectorBytes: source.sectorSize.logical,
      destination: { bytes, sectorBytes: sectorSize.logical },
      wanted: sizes,
    });
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    throw new RefusedError(error.code, error.message, { cause: error });
  }
}

function needsOf({ partition, fileSystem }: Volume): VolumeNeeds {
  const { how, smallestBytes } = fileSystem;
  return { smallestBytes, growable: how === 'files' && !isFixed(partition) };
}

function placeOf({ partition }: Volume, { partitions }: Layout): PlacedPartition {
  const placed = partitions.find(({ number }) => number === partition.number);
  if (placed !== undefined) return placed;
  const { start, size } = partition;
  return { ...partition, was: { start, size } };
}

/** Returns what will be different, in sentences. */
function refuseUnsuitable(volumes: readonly PlacedVolume[], { bytes, sectorSize }: Geometry): string[] {
  const obstacles: string[] = [];
  const changes: string[] = [];
  for (const volume of volumes) {
    const name = nameOfPartition(volume.partition);
    const target = { bytes: sizeOf(volume, bytes), sectorBytes: sectorSize.logical };
    const suitability = volume.fileSystem.suitability(target);
    if (suitability.obstacle !== undefined) obstacles.push(`${name}: ${suitability.obstacle}`);
    changes.push(...suitability.changes.map((change) => `${name}: ${change}`));
  }
  if (obstacles.length > 0) throw new RefusedError('UNSUITABLE', obstacles.join('; '));
  return changes;
}

/** A volume without a table has the whole disk. */
export function sizeOf({ placed }: PlacedVolume, diskBytes: number): number {
  return placed.number === 0 ? diskBytes : placed.size;
}
