import { repairPrimaryGpt } from '@diskferry/server-adapter/partitions/gpt';
import { movedTable } from '@diskferry/server-adapter/partitions/moved-table';
import { newGpt } from '@diskferry/server-adapter/partitions/new-gpt';
import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import type { MendingStep } from '../boot-loader/boot-mending.ts';
import { BOOT_CODE_BYTES } from '../boot-proof/firmware-of.ts';
import type { CopyContext } from '../file-systems/file-system.ts';
import { copyRange } from './copy-range.ts';
import type { Destination } from './destination.ts';
import { leadingRange, rangesOutsidePartitions } from './outside-partitions.ts';
import { nameOfPartition } from './source-survey.ts';
import type { Step, StepContext } from './step.ts';
import { bytesOf, type PlacedVolume, sizeOf, type TransferPlan } from './transfer-plan.ts';
import { WithheldSignatures } from './withheld-signatures.ts';

/** At both ends of a disk: whatever tells what is on it lies there. */
const END_BYTES = 1024 * 1024;

export interface StepsOptions {
  readonly session: Session;
  /** Called with the destination's disk as soon as there is one. */
  readonly onAttached: (disk: SimulatedDisk) => void;
}

/**
 * The steps of a transfer, in the order in which they run. What makes the destination a disk that computers take for
 * whole, the signatures of its partition table, comes last.
 */
export function transferSteps(plan: TransferPlan, destination: Destination, options: StepsOptions): Step[] {
  const state = new DestinationState(plan, destination);
  return [
    openStep(plan, state, options),
    ...(destination.isNew ? [] : [clearStep(plan, state)]),
    ...plan.volumes.map((volume) => volumeStep(plan, volume, state, options)),
    ...(plan.table.kind === 'none' ? [] : [tableStep(plan, state)]),
    ...plan.boot.steps.map((step) => mendStep(step, state, options)),
    ...(plan.table.kind === 'none' ? [] : [signStep(state)]),
  ];
}

/** What the steps learn about the destination and share. */
class DestinationState {
  readonly destination: Destination;
  /** What is not written reads as zeros. */
  zeroed: boolean;
  readonly signatures: WithheldSignatures;
  readonly #plan: TransferPlan;
  readonly #devices = new Map<number, string>();

  constructor(plan: TransferPlan, destination: Destination) {
    this.#plan = plan;
    this.destination = destination;
    this.zeroed = destination.isNew;
    this.signatures = new WithheldSignatures(plan.table.kind, plan.geometry, () => destination.disk);
  }

  get disk(): SimulatedDisk {
    return this.destination.disk;
  }

  /** The block device of one of its partitions, which need not be in the table yet. */
  async deviceOf(number: number): Promise<string> {
    const known = this.#devices.get(number);
    if (known !== undefined) return known;
    const placed =
      number === 0
        ? { start: 0, size: this.disk.size }
        : this.#plan.layout.partitions.find((partition) => partition.number === number);
    if (placed === undefined) throw new RangeError(`there is no partition ${number}`);
    const device = await this.disk.attachPartition(placed);
    this.#devices.set(number, device);
    return device;
  }
}

function openStep(
  { geometry }: TransferPlan,
  { destination }: DestinationState,
  options: StepsOptions,
): Step {
  const size = formatBytes(geometry.bytes);
  const title = destination.isNew
    ? `create ${destination.name}, empty, of ${size}`
    : `open ${destination.name} (${size}) for writing`;
  return {
    title,
    bytes: 0,
    run: async ({ signal }) => options.onAttached(await destination.open(signal)),
  };
}

/** From here on the disk is nothing that a computer would start from, until the last step. */
function clearStep({ geometry: { bytes } }: TransferPlan, state: DestinationState): Step {
  return {
    title: `clear ${state.destination.name}: everything on it is lost`,
    bytes: 0,
    run: async ({ signal }) => {
      const { disk } = state;
      const end = Math.min(END_BYTES, bytes);
      await disk.zero({ start: 0, size: end }, { signal });
      await disk.zero({ start: bytes - end, size: end }, { signal });
      state.zeroed = await disk.zero({ start: 0, size: bytes }, { onlyFast: true, signal });
    },
  };
}

function volumeStep(
  { survey, geometry }: TransferPlan,
  volume: PlacedVolume,
  state: DestinationState,
  { session }: StepsOptions,
): Step {
  const name = nameOfPartition(volume.partition);
  return {
    title: `${name}: ${describeVolume(volume, sizeOf(volume, geometry.bytes))}`,
    bytes: bytesOf(volume),
    run: async (step) => {
      const device = await state.deviceOf(volume.partition.number);
      const context = copyContext(step, { session, name, zeroed: state.zeroed });
      const { fileSystem, usedBlocks, partition, placed } = volume;
      if (usedBlocks !== undefined) {
        const moved = placed.start - partition.start;
        const pieces = usedBlocks.used.map(({ start, size }) => ({ start, size, to: start + moved }));
        await survey.source.copyTo(state.disk, pieces, context);
        return;
      }
      await fileSystem.create(device, context);
      await fileSystem.copy(volume.device, device, context);
    },
  };
}

/** What the drivers of file systems get, for one partition. */
export function copyContext(
  { onProgress, warn, signal }: StepContext,
  { session, name, zeroed }: { readonly session: Session; readonly name: string; readonly zeroed: boolean },
): CopyContext {
  return { session, signal, onProgress, zeroed, warn: (message) => warn(`${name}: ${message}`) };
}

function describeVolume({ fileSystem, usedBlocks, partition }: PlacedVolume, size: number): string {
  const { how, type, label } = fileSystem;
  const labelled = label === undefined || label === '' ? '' : ` "${label}"`;
  const was = size === partition.size ? '' : ` (was ${formatBytes(partition.size)})`;
  if (usedBlocks !== undefined) {
    return `copy the ${formatBytes(usedBlocks.usedBytes)} of ${type}${labelled} that are used, as blocks`;
  }
  switch (how) {
    case 'files':
      return `make ${type}${labelled} of ${formatBytes(size)}${was} and copy ${formatBytes(fileSystem.usedBytes)} of files`;
    case 'recreated':
      return `make ${type}${labelled} of ${formatBytes(size)}${was} anew with its identifiers`;
    case 'sectors':
      return `copy ${formatBytes(fileSystem.size)} as sectors (${type})`;
  }
}

function mendStep(step: MendingStep, state: DestinationState, { session }: StepsOptions): Step {
  return {
    title: step.title,
    bytes: 0,
    run: ({ warn, signal }) =>
      step.run(state.disk, (number) => state.deviceOf(number), { session, warn, signal }),
  };
}

function tableStep(plan: TransferPlan, state: DestinationState): Step {
  const { survey, table } = plan;
  const ranges = outsideOf(plan);
  const bytes = ranges.reduce((sum, { size }) => sum + size, 0);
  const kind = table.kind.toUpperCase();
  const how = table.kind === survey.table.kind ? kind : `${kind}, was ${survey.table.kind.toUpperCase()}`;
  const repaired = survey.table.usedBackup ? ', with the primary table rebuilt from its backup' : '';
  return {
    title: `write boot code and partition table (${how}, ${formatBytes(bytes)})${repaired}`,
    bytes,
    run: async () => {
      for (const range of ranges) await copyRange(survey.source, state.signatures, range);
      for (const { start, data } of await patchesOf(plan)) await state.signatures.write(start, data);
    },
  };
}

function signStep({ signatures, destination }: DestinationState): Step {
  return {
    title: `sign the partition table: ${destination.name} is whole now`,
    bytes: 0,
    run: () => signatures.release(),
  };
}

/** What is copied as it is, outside the partitions. */
function outsideOf({ isExact, survey, layout, geometry, table }: TransferPlan): ByteRange[] {
  if (isExact) return rangesOutsidePartitions(survey.table);
  const sameSectors = geometry.sectorSize.logical === survey.source.sectorSize.logical;
  // Boot code behind the first sector is addressed in sectors; that of a BIOS has no place in front of a GPT.
  if (!sameSectors || table.kind !== survey.table.kind) return [];
  return leadingRange(survey.table, layout.partitions);
}

async function patchesOf({ isExact, survey, table, layout, geometry }: TransferPlan) {
  const { source } = survey;
  const destination = { bytes: geometry.bytes, sectorBytes: geometry.sectorSize.logical };
  if (table.kind !== survey.table.kind) {
    return newGpt(table, layout.partitions, destination, await source.read(0, BOOT_CODE_BYTES));
  }
  if (!isExact) return movedTable(source, table.kind, layout.partitions, destination);
  return survey.table.usedBackup ? repairPrimaryGpt(source) : [];
}
