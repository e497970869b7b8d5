import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { DiskferryError } from '@diskferry/system/errors';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import type { ChangedFile } from '../boot-loader/boot-mending.ts';
import type { Difference } from '../compare/difference.ts';
import type { Destination } from './destination.ts';
import { firstDifference } from './copy-range.ts';
import { nameOfPartition } from './source-survey.ts';
import type { Step } from './step.ts';
import { bytesOf, type PlacedVolume, type TransferPlan } from './transfer-plan.ts';
import { copyContext } from './transfer-steps.ts';

/** What it takes to read disks and compare them. */
export const TRANSFER_TOOLS = ['qemu-img', 'qemu-nbd', 'losetup', 'mount', 'umount', 'blkid'];
/** So many differences are named in a message; all of them are in the report. */
const NAMED_DIFFERENCES = 20;

/** A volume that was compared with its source. */
export interface VerifiedVolume {
  readonly partition: number;
  /** Compared on each side: an estimate for files. */
  readonly bytes: number;
  readonly differences: readonly Difference[];
}

/** The destination is not what the source is; `code` is `NOT_EQUAL`. */
export class VerificationError extends DiskferryError {
  readonly volumes: readonly VerifiedVolume[];

  constructor(message: string, volumes: readonly VerifiedVolume[]) {
    super('NOT_EQUAL', message);
    this.volumes = volumes;
  }
}

/** Reads a finished destination again, from the disk and not from memory, and compares it with the source. */
export class Verification {
  readonly volumes: VerifiedVolume[] = [];
  readonly #plan: TransferPlan;
  readonly #destination: Destination;
  readonly #session: Session;
  #disk: SimulatedDisk | undefined;

  constructor(plan: TransferPlan, destination: Destination, session: Session) {
    this.#plan = plan;
    this.#destination = destination;
    this.#session = session;
  }

  steps(): Step[] {
    return [
      this.#openStep(),
      ...this.#plan.volumes.map((volume) => this.#volumeStep(volume)),
      this.#judgeStep(),
    ];
  }

  get #openDisk(): SimulatedDisk {
    if (this.#disk === undefined) throw new Error('the destination is not open');
    return this.#disk;
  }

  #openStep(): Step {
    const { table, layout } = this.#plan;
    return {
      title: `open ${this.#destination.name} again and compare its partition table`,
      bytes: 0,
      run: async ({ signal }) => {
        this.#disk = await this.#destination.reopen(signal);
        if (table.kind === 'none') return;
        const found = await this.#disk.readPartitionTable();
        const [wanted, is] = [layout.partitions, found.partitions].map((partitions) =>
          partitions.map(({ number, start, size, type, guid }) => [number, start, size, type, guid]),
        );
        if (found.kind === table.kind && JSON.stringify(wanted) === JSON.stringify(is)) return;
        throw new VerificationError(
          'the partition table of the destination is not the one that was written',
          [],
        );
      },
    };
  }

  #volumeStep(volume: PlacedVolume): Step {
    const name = nameOfPartition(volume.partition);
    const bytes = bytesOf(volume);
    const what = volume.fileSystem.how === 'files' ? 'every file' : 'every block';
    return {
      title: `${name}: compare ${what} with the source (${formatBytes(bytes)})`,
      bytes,
      run: async (step) => {
        const { usedBlocks, fileSystem, placed, device } = volume;
        const disk = this.#openDisk;
        if (usedBlocks !== undefined) {
          const differences = await this.#compareBlocks(volume, step.onProgress, step.signal);
          this.volumes.push({ partition: placed.number, bytes, differences });
          return;
        }
        const place = placed.number === 0 ? { start: 0, size: disk.size } : placed;
        const context = copyContext(step, { session: this.#session, name, zeroed: false });
        const found = await fileSystem.verify(device, await disk.attachPartition(place), context);
        const differences = found.filter(
          ({ path }) => !isMended(this.#plan.boot.changedFiles, placed.number, path),
        );
        this.volumes.push({ partition: placed.number, bytes, differences });
      },
    };
  }

  async #compareBlocks(
    { usedBlocks, partition, placed }: PlacedVolume,
    onProgress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Difference[]> {
    let done = 0;
    for (const range of usedBlocks?.used ?? []) {
      signal.throwIfAborted();
      const moved = placed.start - partition.start;
      const at = await firstDifference(this.#plan.survey.source, this.#openDisk, range, moved);
      if (at !== undefined) {
        return [{ path: '', property: 'content', left: `byte ${at} of the disk`, right: 'is another' }];
      }
      done += range.size;
      onProgress(done);
    }
    return [];
  }

  #judgeStep(): Step {
    return {
      title: 'tell whether the destination equals the source',
      bytes: 0,
      run: async () => {
        await this.#openDisk.detach();
        const lines = this.volumes.flatMap(({ partition, differences }) =>
          differences.map((difference) => sentenceOf({ partition, ...difference })),
        );
        if (lines.length === 0) return;
        throw new VerificationError(
          `the destination differs from the source in ${listed(lines)}`,
          this.volumes,
        );
      },
    };
  }
}

/** A boot loader that was mended is no difference. */
export function isMended(changed: readonly ChangedFile[], partition: number, path: string): boolean {
  const inside = (text: string): string => text.replace(/^\.?\//, '');
  return changed.some((file) => file.partition === partition && inside(file.path) === inside(path));
}

/** Such as `partition 2: "etc/fstab": content: byte 7 | is another`. */
export function sentenceOf({
  partition,
  path,
  property,
  left,
  right,
}: Difference & { readonly partition: number }): string {
  const name = JSON.stringify(Buffer.from(path, 'latin1').toString());
  return `${nameOfPartition({ number: partition })}: ${name}: ${property}: ${left} | ${right}`;
}

/** How many there are, and the first of them. */
export function listed(lines: readonly string[]): string {
  const more = lines.length > NAMED_DIFFERENCES ? [`and ${lines.length - NAMED_DIFFERENCES} more`] : [];
  return `${lines.length} properties:\n  ${[...lines.slice(0, NAMED_DIFFERENCES), ...more].join('\n  ')}`;
}
