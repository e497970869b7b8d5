import { type Disk, DiskError, type SectorSize } from '@diskferry/protocol/disk';
import type { NbdDisk } from '@diskferry/protocol/nbd/nbd-disk';
import { DiskferryError } from '@diskferry/system/errors';
import { copyOnWrite } from '../disk/copy-on-write-disk.ts';
import { countDisk } from '../disk/counting-disk.ts';
import { freshDisk } from '../disk/fresh-disk.ts';
import type { LendingDisk } from '../disk/lending-disk.ts';
import { openScratchFile } from '../disk/scratch-file.ts';
import { segmentsOf } from '../disk/segmented-disk.ts';
import { withSectorSize } from '../disk/sector-view.ts';
import { tableSectorSize } from '../partitions/table-sector-size.ts';
import { readAhead } from '../read-ahead/read-ahead-disk.ts';
import type { AdapterCounters } from '../simulated-disk.ts';
import { DiskWork } from './disk-work.ts';
import type { AdapterConfig, DiskGeometry, TroubleCode } from './messages.ts';
import { offerDisk } from './offer-disk.ts';
import { type OpenedSource, openSource, type OpenSourceOptions } from './open-source.ts';

/** Where copy-on-write layers grow: on a disk, because /run and /tmp are often in memory. */
const SCRATCH_FOLDER = process.env['DISKFERRY_SCRATCH'] ?? '/var/tmp';

/** A disk that the kernel can use. */
export interface ServedDisk {
  readonly geometry: DiskGeometry;
  /** Resolves when the kernel gave the disk back and all of it is flushed. */
  readonly ended: Promise<void>;
  /** What is done with the disk past the kernel. */
  readonly work: DiskWork;
  counters(): AdapterCounters;
  /** @throws {DiskferryError} `WRITE_FAILED` when this flush or any earlier change failed */
  flush(): Promise<void>;
  /** From now on reads and writes fail where they would wait for a lost source. */
  stopWaiting(): void;
  /** Flushes and leaves the source; the disk may still be in use, and fails from then on. */
  close(): Promise<void>;
}

export interface ServeOptions extends OpenSourceOptions {
  /** Called with a sentence when the disk cannot be trusted any more. */
  readonly onTrouble: (code: TroubleCode, message: string) => void;
}

/**
 * Connects the source of an adapter and offers it on its channel.
 *
 * @throws {Error} with a sentence when the source cannot be reached or used as asked
 */
export async function serveDisk(config: AdapterConfig, options: ServeOptions): Promise<ServedDisk> {
  const source = await openSource(config, options);
  const { disk, work, counters, flush } = await prepare(source, config, options);

  async function flushAndClose(): Promise<void> {
    try {
      await flush();
    } finally {
      await leave(disk, source);
    }
  }

  let closing: Promise<void> | undefined;
  function close(): Promise<void> {
    closing ??= flushAndClose();
    return closing;
  }

  const channel = await offerDisk(disk, config.channel, options.signal);
  return {
    geometry: {
      size: disk.size,
      sectorSize: disk.sectorSize,
    },
    ended: channel.ended.then(close),
    work,
    counters,
    flush,
    stopWaiting: () => source.stopWaiting(new DiskferryError('SOURCE_LOST', 'the work was interrupted')),
    close,
  };
}

/** @throws {Error} with a sentence when the source cannot be used as asked; it is left then */
async function prepare(source: OpenedSource, config: AdapterConfig, options: ServeOptions): Promise<Stack> {
  try {
    refuseReadOnly(source.disk, config);
    const { sectorSize } = config;
    const isTold = sectorSize !== undefined && sectorSize !== 'by-table';
    const found = sectorSize === 'by-table' ? await tableSectorSize(source.disk) : source.disk.sectorSize;
    return stack(source.disk, { ...config, sectorSize: isTold ? sectorSize : found }, options);
  } catch (error) {
    await leave(source.disk, source);
    throw error;
  }
}

async function leave(disk: Disk, source: OpenedSource): Promise<void> {
  try {
    await disk.close();
  } finally {
    await source.giveBack();
  }
}

type Stack = { readonly disk: LendingDisk } & Pick<ServedDisk, 'work' | 'counters' | 'flush'>;

/** The layers between the source and the kernel. */
function stack(
  source: NbdDisk,
  config: AdapterConfig & { readonly sectorSize: SectorSize },
  { onTrouble }: ServeOptions,
): Stack {
  const { sourceName, mode } = config;
  void source.lost.then((reason) => onTrouble('SOURCE_LOST', `${sourceName} is lost: ${reason.message}`));

  let firstFailure: Error | undefined;
  function onFailure(error: Error): void {
    // Whatever is no DiskError comes from the loss of the source, which is reported by itself.
    if (firstFailure === undefined && error instanceof DiskError) {
      onTrouble('WRITE_FAILED', `${sourceName} cannot be written: ${error.message}`);
    }
    firstFailure ??= error;
  }

  const whole = config.source.kind === 'image' ? segmentsOf(source, config.source.segments) : source;
  const counted = countDisk(whole, { onFailure });
  const fresh = config.source.kind === 'image' && config.source.fresh ? freshDisk(counted) : undefined;
  const ahead = readAhead(fresh ?? counted);
  const layer =
    mode === 'copy-on-write' ? copyOnWrite(ahead, openScratchFile(SCRATCH_FOLDER), { onFailure }) : undefined;
  const view = withSectorSize(layer ?? ahead, config.sectorSize);
  const canZero = layer !== undefined || source.supports.writeZeroes;
  let writtenByOthers = 0;
  const work = new DiskWork({
    disk: view,
    reader: layer?.readThrough(counted) ?? counted,
    layer,
    ownServer: ownServerOf(config),
    onOwnServerOffered: () => fresh?.forget(),
    requestTimeoutMs: config.requestTimeoutMs,
    onWrittenByOthers({ bytesWritten, failure }) {
      writtenByOthers += bytesWritten;
      ahead.forgetAll();
      if (failure !== undefined) onFailure(new DiskError('EIO', failure));
    },
  });
  return {
    work,
    disk: canZero ? view : { ...view, writeZeroes: refuseZeroing },
    counters: () => ({
      sourceBytesRead: counted.bytesRead,
      sourceBytesWritten: counted.bytesWritten + writtenByOthers,
      layerBytesWritten: layer?.layerBytesWritten ?? 0,
    }),
    async flush() {
      await view.flush();
      if (firstFailure === undefined) return;
      const message = `not everything was written to ${sourceName}: ${firstFailure.message}`;
      throw new DiskferryError('WRITE_FAILED', message, { cause: firstFailure });
    },
  };
}

/** The server of an image takes others beside the adapter, which need not go through it if they see the same bytes. */
function ownServerOf({ source, mode }: AdapterConfig): string | undefined {
  if (mode !== 'write' || source.kind !== 'image' || source.segments !== undefined) return undefined;
  // What others write comes as it is: no zeros are kept away from a format that would write them.
  if (source.fresh?.keepsZeros === false) return undefined;
  return source.address.transport === 'unix' ? source.address.socketPath : undefined;
}

/**
 * For sources that cannot zero by themselves: the kernel then offers no discards, which would become zeros sent over
 * the network, and writes the zeros that are really needed.
 */
async function refuseZeroing(): Promise<void> {
  throw new DiskError('EOPNOTSUPP', 'the source cannot zero a range by itself');
}

function refuseReadOnly(source: NbdDisk, { mode, sourceName }: AdapterConfig): void {
  if (mode !== 'write' || !source.readOnly) return;
  throw new DiskferryError(
    'SOURCE_READ_ONLY',
    `${sourceName} cannot be written: its server exports it read-only; an imaging client in plain text must be started with --writable`,
  );
}
