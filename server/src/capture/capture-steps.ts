import { repairPrimaryGpt } from '@diskferry/server-adapter/partitions/gpt';
import type { LoopbackDriverName, SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { bytesToMove, type CapturePlan, type Volume } from './capture-plan.ts';
import { copyRange } from './copy-range.ts';
import type { NewImage } from './new-image.ts';
import type { Step } from './step.ts';

interface StepsOptions {
  readonly session: Session;
  readonly driver: LoopbackDriverName;
  /** Called with the image's disk as soon as there is one. */
  readonly onAttached: (disk: SimulatedDisk) => void;
}

/** The steps of a capture, in the order in which they run. */
export function captureSteps(plan: CapturePlan, image: NewImage, options: StepsOptions): Step[] {
  return [
    createStep(plan, image, options),
    ...(plan.table.kind === 'none' ? [] : [tableStep(plan, image)]),
    ...plan.volumes.map((volume) => volumeStep(volume, image, options)),
  ];
}

function createStep({ source }: CapturePlan, image: NewImage, { driver, onAttached }: StepsOptions): Step {
  return {
    title: `create the empty image ${image.path} (qcow2, ${formatBytes(source.size)}, sparse)`,
    bytes: 0,
    run: async ({ signal }) => {
      await image.create(source.size, { driver, sectorSize: source.sectorSize, signal });
      onAttached(image.disk);
    },
  };
}

function tableStep({ source, table, outside }: CapturePlan, image: NewImage): Step {
  const bytes = outside.reduce((sum, { size }) => sum + size, 0);
  const repaired = table.usedBackup ? ', with the primary table rebuilt from its backup' : '';
  return {
    title: `copy boot code and partition table (${table.kind.toUpperCase()}, ${formatBytes(bytes)})${repaired}`,
    bytes,
    run: async () => {
      for (const range of outside) await copyRange(source, image.disk, range);
      if (!table.usedBackup) return;
      for (const { start, data } of await repairPrimaryGpt(source)) await image.disk.write(start, data);
    },
  };
}

function volumeStep(
  { partition, device, fileSystem }: Volume,
  image: NewImage,
  { session }: StepsOptions,
): Step {
  const name = partition.number === 0 ? 'whole disk' : `partition ${partition.number}`;
  return {
    title: `${name}: ${describeVolume(fileSystem)}`,
    bytes: bytesToMove(fileSystem),
    run: async ({ onProgress, warn, signal }) => {
      const context = {
        session,
        signal,
        onProgress,
        warn: (message: string) => warn(`${name}: ${message}`),
      };
      const destination = await image.disk.attachPartition(partition);
      await fileSystem.create(destination, context);
      await fileSystem.copy(device, destination, context);
    },
  };
}

function describeVolume({ how, type, label, size, usedBytes }: Volume['fileSystem']): string {
  const labelled = label === undefined || label === '' ? '' : ` "${label}"`;
  switch (how) {
    case 'files':
      return `make ${type}${labelled} of ${formatBytes(size)} and copy ${formatBytes(usedBytes)} of files`;
    case 'recreated':
      return `make ${type}${labelled} of ${formatBytes(size)} anew with its identifiers`;
    case 'sectors':
      return `copy ${formatBytes(size)} as sectors (${type})`;
  }
}
