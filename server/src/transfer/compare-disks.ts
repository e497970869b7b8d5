import type { Partition, PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import type {
  AttachOptions,
  DiskSource,
  LoopbackDriverName,
  SimulatedDisk,
} from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { openSession, type Session } from '@diskferry/system/session';
import { requireTools } from '@diskferry/system/tools';
import type { ChangedFile } from '../boot-loader/boot-mending.ts';
import type { Difference } from '../compare/difference.ts';
import { probeSignature } from '../file-systems/blkid.ts';
import { RefusedError, requireRoot } from '../refused-error.ts';
import { isSameDisk, nameOfDisk } from './existing-disk.ts';
import { nameOfPartition, type SourceSurvey, surveySource, type Volume } from './source-survey.ts';
import { runSteps, type Step, type StepListener } from './step.ts';
import { bytesOf, planTransfer } from './transfer-plan.ts';
import { copyContext } from './transfer-steps.ts';
import { isMended, TRANSFER_TOOLS } from './verification.ts';
import type { TransferWishes } from './wishes.ts';

export interface CompareRequest {
  /** What counts: usually an image. */
  readonly left: DiskSource;
  /** What shall be the same. */
  readonly right: DiskSource;
  readonly passphrase: string | undefined;
  readonly driver: LoopbackDriverName;
  /** A disk that answers nothing for so long is gone, in ms. */
  readonly requestTimeoutMs?: number | undefined;
  /** How long a remote disk whose connection is lost is waited for, in ms. */
  readonly reconnectLimitMs?: number | undefined;
  readonly onNotice?: (message: string) => void;
  readonly signal: AbortSignal;
  /** Called once, with what will be compared in bytes, before it is. */
  readonly onBegin: (totalBytes: number) => void;
  readonly listener: StepListener;
}

/** A difference and where it is. */
export interface DiskDifference extends Difference {
  /** 0 for the disk as a whole. */
  readonly partition: number;
}

export interface DiskComparison {
  readonly differences: readonly DiskDifference[];
  /** What is different in volumes, such as the size of their blocks, while their files may be the same. */
  readonly settings: readonly DiskDifference[];
  readonly volumes: readonly {
    readonly partition: number;
    /** As blkid calls it. */
    readonly type: string;
    /** Compared on each side: an estimate for files. */
    readonly bytes: number;
  }[];
}

/**
 * Compares two disks as a transfer compares its result: partitions by their numbers, and in them every file with its
 * attributes. Sizes, places and settings may differ, and what a deploy changes so that the system starts. Nothing is written
 * to either.
 *
 * @throws {RefusedError} `SAME_DISK`, `NO_PARTITION_TABLE`
 * @throws {DiskferryError} when one of them cannot be read
 */
export async function compareDisks(request: CompareRequest): Promise<DiskComparison> {
  requireRoot('a comparison');
  requireTools(TRANSFER_TOOLS);
  const { left, right } = request;
  if (isSameDisk(left, right)) {
    throw new RefusedError('SAME_DISK', `both are ${nameOfDisk(left)}; give another disk to compare with`);
  }
  await using session = openSession('verify');
  const broken = new AbortController();
  const signal = AbortSignal.any([request.signal, broken.signal]);
  const attach = async (source: DiskSource): Promise<SimulatedDisk> => {
    const disk = await attachDisk(source, { ...attachOptions(request, session), signal });
    disk.failure.catch((error: unknown) => broken.abort(error));
    return disk;
  };
  try {
    const wishes = wishesFor(request);
    const survey = await surveySource(await attach(left), wishes, session);
    const other = await attach(right);
    const table = await other.readPartitionTable();
    const mended = await mendedFiles(survey, other, wishes, session);
    const differences: DiskDifference[] = differencesOfTables(survey.table, table);
    const pairs = survey.volumes.flatMap((volume) => {
      const twin = twinOf(volume, survey.table, table, other);
      return twin === undefined ? [] : [{ volume, twin }];
    });
    const steps = pairs.map(({ volume, twin }): Step => {
      const { number } = volume.partition;
      return volumeStep(volume, twin, { other, session }, (found) => {
        const real = found.filter(({ path }) => !isMended(mended, number, path));
        differences.push(...real.map((difference) => ({ partition: number, ...difference })));
      });
    });
    request.onBegin(steps.reduce((sum, { bytes }) => sum + bytes, 0));
    await runSteps(steps, request.listener, signal);
    const volumes = pairs.map(({ volume }) => ({
      partition: volume.partition.number,
      type: volume.fileSystem.type,
      bytes: bytesOf(volume),
    }));
    return {
      differences: differences.filter(({ isSetting }) => isSetting !== true),
      settings: differences.filter(({ isSetting }) => isSetting === true),
      volumes,
    };
  } catch (error) {
    throw signal.aborted && !(error instanceof RefusedError) ? signal.reason : error;
  }
}

function attachOptions(
  { driver, requestTimeoutMs, reconnectLimitMs, onNotice }: CompareRequest,
  session: Session,
): AttachOptions {
  return {
    session,
    // Journals are replayed, which is a write: it goes to a layer that is thrown away.
    mode: 'copy-on-write',
    driver,
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...(reconnectLimitMs === undefined ? {} : { reconnectLimitMs }),
    ...(onNotice === undefined ? {} : { onNotice }),
  };
}

function wishesFor({ passphrase }: CompareRequest): TransferWishes {
  return {
    sizeBytes: undefined,
    sectorBytes: undefined,
    mode: undefined,
    modes: new Map(),
    sizes: new Map(),
    toGpt: false,
    passphrase,
  };
}

/** What a deploy onto a disk like the other one would change. Where there can be none, nothing was changed. */
async function mendedFiles(
  survey: SourceSurvey,
  { size, sectorSize }: SimulatedDisk,
  wishes: TransferWishes,
  session: Session,
): Promise<readonly ChangedFile[]> {
  try {
    return (await planTransfer(survey, { bytes: size, sectorSize }, wishes, session)).boot.changedFiles;
  } catch (error) {
    if (error instanceof RefusedError) return [];
    throw error;
  }
}

function differencesOfTables(left: PartitionTable, right: PartitionTable): DiskDifference[] {
  if (left.kind !== right.kind && (left.kind === 'none' || right.kind === 'none')) {
    return [{ partition: 0, path: '', property: 'partition table', left: left.kind, right: right.kind }];
  }
  const numbers = new Set([...left.partitions, ...right.partitions].map(({ number }) => number));
  return [...numbers]
    .toSorted((a, b) => a - b)
    .flatMap((number) => differencesOfPartition(find(left, number), find(right, number), number))
    .filter(({ property }) => property === 'existence' || left.kind === right.kind);
}

function differencesOfPartition(
  left: Partition | undefined,
  right: Partition | undefined,
  number: number,
): DiskDifference[] {
  const is = { partition: number, path: '' };
  if (left === undefined) return [{ ...is, property: 'existence', left: 'missing', right: 'exists' }];
  if (right === undefined) return [{ ...is, property: 'existence', left: 'exists', right: 'missing' }];
  return (['type', 'guid', 'name'] as const)
    .filter((property) => left[property] !== right[property])
    .map((property) => ({ ...is, property, left: left[property] ?? '', right: right[property] ?? '' }));
}

function find({ partitions }: PartitionTable, number: number): Partition | undefined {
  return partitions.find((partition) => partition.number === number);
}

type Place = Pick<Partition, 'start' | 'size'>;

/** Where the other disk has a volume; undefined where it has none of that number, which the tables tell. */
function twinOf(
  { partition }: Volume,
  left: PartitionTable,
  right: PartitionTable,
  { size }: SimulatedDisk,
): Place | undefined {
  if (left.kind !== 'none') return find(right, partition.number);
  return right.kind === 'none' ? { start: 0, size } : undefined;
}

function volumeStep(
  { partition, device, fileSystem }: Volume,
  twin: Place,
  { other, session }: { readonly other: SimulatedDisk; readonly session: Session },
  found: (differences: readonly Difference[]) => void,
): Step {
  const name = nameOfPartition(partition);
  const { how, type, size } = fileSystem;
  return {
    title: `${name}: compare ${how === 'files' ? 'every file' : 'every block'} (${type})`,
    bytes: bytesOf({ fileSystem }),
    run: async (step) => {
      const twinDevice = await other.attachPartition(twin);
      const { type: twinType } = await probeSignature(twinDevice);
      if (twinType !== type) {
        found([{ path: '', property: 'file system', left: type, right: twinType }]);
      } else if (how === 'sectors' && twin.size < size) {
        found([{ path: '', property: 'size', left: `${size} bytes`, right: `${twin.size} bytes` }]);
      } else {
        const context = copyContext(step, { session, name, zeroed: false });
        found(await fileSystem.verify(device, twinDevice, context));
      }
    },
  };
}
