import {
  type Partition,
  type PartitionTable,
  PartitionTableError,
} from '@diskferry/server-adapter/partitions/partition-table';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import type { Session } from '@diskferry/system/session';
import { probeSignature } from '../file-systems/blkid.ts';
import type { FileSystem } from '../file-systems/file-system.ts';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import { sectorsFileSystem } from '../file-systems/sectors.ts';
import { RefusedError } from '../refused-error.ts';
import { type UsedBlocks, findUsedBlocks } from './used-blocks.ts';
import type { Mode, TransferWishes } from './wishes.ts';

/** A partition of the source with what is on it. */
export interface Volume {
  readonly partition: Partition;
  /** The block device of the partition on this server. */
  readonly device: string;
  readonly fileSystem: FileSystem;
  /** Mode `blocks`: what need not be copied. */
  readonly usedBlocks?: UsedBlocks;
}

/** What is on the source. */
export interface SourceSurvey {
  readonly source: SimulatedDisk;
  readonly table: PartitionTable;
  /** In the order of their numbers; one with the number 0 fills a disk without a table. */
  readonly volumes: readonly Volume[];
  readonly warnings: readonly string[];
}

/**
 * Looks at a source that is attached copy-on-write: journals are replayed and free space is trimmed in the layer.
 *
 * @throws {RefusedError} `NO_PARTITION_TABLE` when there is neither a table nor a known file system, `NO_SUCH_PARTITION`
 * @throws {PartitionTableError} when the table is damaged
 */
export async function surveySource(
  source: SimulatedDisk,
  wishes: TransferWishes,
  session: Session,
): Promise<SourceSurvey> {
  const table = await readTable(source, wishes.mode);
  const partitions =
    table.kind === 'none' ? [wholeDisk(source)] : table.partitions.filter(({ role }) => role !== 'extended');
  refuseUnknownNumbers(partitions, [...wishes.modes.keys(), ...wishes.sizes.keys()]);
  const volumes: Volume[] = [];
  for (const partition of partitions) {
    const mode = wishes.modes.get(partition.number) ?? wishes.mode ?? 'files';
    volumes.push(await surveyVolume(source, partition, mode, { session, passphrase: wishes.passphrase }));
  }
  const asked = wishes.mode ?? wishes.modes.get(0);
  if (
    table.kind === 'none' &&
    asked === undefined &&
    volumes.every(({ fileSystem }) => fileSystem.how === 'sectors')
  ) {
    throw new RefusedError(
      'NO_PARTITION_TABLE',
      'the disk has no partition table and no file system that diskferry knows; is it empty, or encrypted? ' +
        'To carry every sector of it, add --mode sectors',
    );
  }
  return { source, table, volumes, warnings: [...table.warnings, ...volumes.flatMap(warningsOf)] };
}

/** What nobody can read is still carried sector by sector, if that is what was asked for. */
async function readTable(source: SimulatedDisk, mode: Mode | undefined): Promise<PartitionTable> {
  try {
    return await source.readPartitionTable();
  } catch (error) {
    if (!(error instanceof PartitionTableError)) throw error;
    if (mode !== 'sectors') {
      const hint = 'mend it, or carry every sector of the disk with --mode sectors';
      throw new PartitionTableError(`${error.message}; ${hint}`, { cause: error });
    }
    const warning = `${error.message}: the whole disk is copied as sectors`;
    return { kind: 'none', id: '', partitions: [], warnings: [warning], usedBackup: false, tableRegions: [] };
  }
}

interface SurveyOptions {
  readonly session: Session;
  readonly passphrase: string | undefined;
}

async function surveyVolume(
  source: SimulatedDisk,
  partition: Partition,
  mode: Mode,
  { session, passphrase }: SurveyOptions,
): Promise<Volume> {
  const device = await source.attachPartition(partition);
  if (mode === 'sectors') {
    const reason = 'all of it is copied as sectors, as asked for';
    return {
      partition,
      device,
      fileSystem: await sectorsFileSystem(device, await probeSignature(device), reason),
    };
  }
  const fileSystem = await recogniseFileSystem(device, {
    session,
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  if (mode === 'files') return { partition, device, fileSystem };
  const usedBlocks = await findUsedBlocks(source, { partition, device, fileSystem }, session);
  if ('reason' in usedBlocks) {
    const notes = [...fileSystem.notes, usedBlocks.reason];
    return { partition, device, fileSystem: { ...fileSystem, notes } };
  }
  // Blocks that stay at their places ask for the same as sectors.
  const asSectors = await sectorsFileSystem(device, { ...fileSystem, ambiguous: false }, '');
  return { partition, device, fileSystem: { ...asSectors, notes: [] }, usedBlocks };
}

/** A file system that fills a disk without a table, treated as the only partition. */
function wholeDisk({ size }: SimulatedDisk): Partition {
  return { number: 0, start: 0, size, type: '', role: 'primary' };
}

function refuseUnknownNumbers(partitions: readonly Partition[], numbers: readonly number[]): void {
  const known = partitions.map(({ number }) => number);
  const unknown = numbers.find((number) => !known.includes(number));
  if (unknown === undefined) return;
  throw new RefusedError(
    'NO_SUCH_PARTITION',
    `there is no partition ${unknown} on the source; there are: ${known.join(', ') || 'none'}`,
  );
}

function warningsOf({ partition, fileSystem }: Volume): string[] {
  return fileSystem.notes.map((note) => `${nameOfPartition(partition)}: ${note}`);
}

/** As people call it. */
export function nameOfPartition({ number }: Pick<Partition, 'number'>): string {
  return number === 0 ? 'whole disk' : `partition ${number}`;
}
