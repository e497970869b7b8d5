import { realpathSync } from 'node:fs';
import { type DiskAddress, formatDiskAddress } from '@diskferry/protocol/disk-address';
import { messageOf } from '@diskferry/system/errors';
import { formatBytes } from '@diskferry/system/units';
import { PartitionTableError } from '@diskferry/server-adapter/partitions/partition-table';
import type { AttachOptions, DiskSource, SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { probeSignature } from '../file-systems/blkid.ts';
import { isZero } from '../file-systems/block-device.ts';
import type { Destination, Geometry } from './destination.ts';
import { nameOfPartition } from './source-survey.ts';

/** A disk without table and signature whose beginning is zeros to there is empty, in bytes. */
const LOOKED_AT_BYTES = 1024 * 1024;

/** What is on a disk now. */
export interface Contents {
  readonly geometry: Geometry;
  /** One line for each thing that would be lost, such as `partition 2: ext4 "root", 40.0 GB`; none on an empty disk. */
  readonly holds: readonly string[];
}

/** A disk that is there already: of another computer, an image, or of this server. */
export class ExistingDisk implements Destination {
  readonly isNew = false;
  readonly source: DiskSource;
  readonly #options: Omit<AttachOptions, 'mode'>;
  #disk: SimulatedDisk | undefined;

  constructor(source: DiskSource, options: Omit<AttachOptions, 'mode'>) {
    this.source = source;
    this.#options = options;
  }

  get name(): string {
    return nameOfDisk(this.source);
  }

  /** Looks at the disk without writing to it, which needs no right to write either. */
  async look(signal: AbortSignal): Promise<Contents> {
    const disk = await this.reopen(signal);
    try {
      return { geometry: { bytes: disk.size, sectorSize: disk.sectorSize }, holds: await contentsOf(disk) };
    } finally {
      await disk.detach();
    }
  }

  async refuseUnlessItFits(): Promise<void> {
    // The layout has told already whether the partitions fit on the disk.
  }

  async open(signal: AbortSignal): Promise<SimulatedDisk> {
    this.#disk = await attachDisk(this.source, { ...this.#options, mode: 'write', signal });
    return this.#disk;
  }

  get disk(): SimulatedDisk {
    if (this.#disk === undefined) throw new Error('the disk is not attached');
    return this.#disk;
  }

  async close(): Promise<void> {
    await this.disk.detach();
  }

  async reopen(signal: AbortSignal): Promise<SimulatedDisk> {
    return attachDisk(this.source, { ...this.#options, mode: 'copy-on-write', signal });
  }

  async finish(): Promise<void> {
    // It has been there all the time.
  }

  async explain(): Promise<string | undefined> {
    return undefined;
  }
}

/** A disk in words. */
export function nameOfDisk(source: DiskSource): string {
  switch (source.kind) {
    case 'image':
      return `the image ${source.path}`;
    case 'device':
      return source.path;
    case 'remote':
      return formatDiskAddress(source.address);
  }
}

/** Whether two names lead to one disk, as far as names tell. */
export function isSameDisk(left: DiskSource, right: DiskSource): boolean {
  if (left.kind === 'remote' && right.kind === 'remote') return isSameAddress(left.address, right.address);
  if (left.kind === 'remote' || right.kind === 'remote') return false;
  return realpathSync(left.path) === realpathSync(right.path);
}

function isSameAddress(left: DiskAddress, right: DiskAddress): boolean {
  return formatDiskAddress(left) === formatDiskAddress(right);
}

async function contentsOf(disk: SimulatedDisk): Promise<string[]> {
  const table = await disk.readPartitionTable().catch((error: unknown) => {
    if (error instanceof PartitionTableError) return messageOf(error);
    throw error;
  });
  if (typeof table === 'string') return [`a damaged partition table: ${table}`];
  if (table.kind === 'none') return contentsWithoutTable(disk);
  const lines: string[] = [];
  for (const partition of table.partitions.filter(({ role }) => role !== 'extended')) {
    const { type, label } = await probeSignature(await disk.attachPartition(partition));
    const labelled = label === undefined || label === '' ? '' : ` "${label}"`;
    lines.push(`${nameOfPartition(partition)}: ${type}${labelled}, ${formatBytes(partition.size)}`);
  }
  return lines.length > 0 ? lines : [`an empty ${table.kind.toUpperCase()} partition table`];
}

async function contentsWithoutTable(disk: SimulatedDisk): Promise<string[]> {
  const { type, label } = await probeSignature(disk.device);
  if (type !== 'unknown')
    return [`whole disk: ${type}${label === undefined ? '' : ` "${label}"`}, ${formatBytes(disk.size)}`];
  const beginning = await disk.read(0, Math.min(LOOKED_AT_BYTES, disk.size));
  return isZero(beginning) ? [] : ['data without a partition table or a known file system'];
}
