import { connectNbd, type NbdDisk } from '@diskferry/protocol/nbd/client';
import { DiskferryError } from '@diskferry/system/errors';
import { copyOnWrite } from '../disk/copy-on-write-disk.ts';
import { countDisk } from '../disk/counting-disk.ts';
import { openScratchFile } from '../disk/scratch-file.ts';
import { withSectorSize } from '../disk/sector-view.ts';
import type { AdapterCounters } from '../simulated-disk.ts';
import type { AdapterConfig, DiskGeometry } from './messages.ts';
import { offerDisk } from './offer-disk.ts';

/** Where copy-on-write layers grow: on a disk, because /run and /tmp are often in memory. */
const SCRATCH_FOLDER = process.env['DISKFERRY_SCRATCH'] ?? '/var/tmp';

/** A disk that the kernel can use. */
export interface ServedDisk {
  readonly geometry: DiskGeometry;
  /** Resolves when the kernel gave the disk back and all of it is flushed. */
  readonly ended: Promise<void>;
  counters(): AdapterCounters;
  /** @throws when this flush or any earlier change of the source failed */
  flush(): Promise<void>;
  /** Flushes and leaves the source; the disk may still be in use, and fails from then on. */
  close(): Promise<void>;
}

export interface ServeOptions {
  /** Called with a sentence when the source is gone. */
  readonly onLost: (message: string) => void;
}

/**
 * Connects the source of an adapter and offers it on its channel.
 *
 * @throws {Error} with a sentence when the source cannot be reached or used as asked
 */
export async function serveDisk(config: AdapterConfig, { onLost }: ServeOptions): Promise<ServedDisk> {
  const { sourceName, requestTimeoutMs } = config;
  const source = await connectNbd(config.address, requestTimeoutMs === undefined ? {} : { requestTimeoutMs });
  refuseReadOnly(source, config);
  void source.lost.then((reason) => onLost(`${sourceName} is lost: ${reason.message}`));
  const counted = countDisk(source);
  const layer =
    config.mode === 'copy-on-write' ? copyOnWrite(counted, openScratchFile(SCRATCH_FOLDER)) : undefined;
  const disk = withSectorSize(layer ?? counted, config.sectorSize ?? source.sectorSize);

  async function flush(): Promise<void> {
    await disk.flush();
    const failure = counted.firstFailure ?? layer?.firstFailure;
    if (failure === undefined) return;
    const message = `not everything was written to ${sourceName}: ${failure.message}`;
    throw new DiskferryError('WRITE_FAILED', message, { cause: failure });
  }

  async function flushAndClose(): Promise<void> {
    try {
      await flush();
    } finally {
      await disk.close();
    }
  }

  let closing: Promise<void> | undefined;
  function close(): Promise<void> {
    closing ??= flushAndClose();
    return closing;
  }

  const channel = await offerDisk(disk, config.channel);
  return {
    geometry: { size: disk.size, sectorSize: disk.sectorSize },
    ended: channel.ended.then(close),
    counters: () => ({
      sourceBytesRead: counted.bytesRead,
      sourceBytesWritten: counted.bytesWritten,
      layerBytesWritten: layer?.layerBytesWritten ?? 0,
    }),
    flush,
    close,
  };
}

function refuseReadOnly(source: NbdDisk, { mode, sourceName }: AdapterConfig): void {
  if (mode !== 'write' || !source.readOnly) return;
  throw new DiskferryError(
    'SOURCE_READ_ONLY',
    `${sourceName} cannot be written: its server exports it read-only; start the client with --writable`,
  );
}
