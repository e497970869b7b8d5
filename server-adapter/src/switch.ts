import { mkdtemp } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { formatDiskAddress } from '@diskferry/protocol/disk-address';
import { Adapter } from './adapter/adapter.ts';
import type { AdapterConfig } from './adapter/messages.ts';
import { AttachedDisk } from './attached-disk.ts';
import { HeldResources } from './held-resources.ts';
import { inspectDevice } from './image/local-device.ts';
import { serveDevice, serveImage } from './image/qemu-nbd.ts';
import { pickDriver } from './loopback/pick-driver.ts';
import type { AttachOptions, DiskSource, ImageFormat, SimulatedDisk } from './simulated-disk.ts';

/**
 * Attaches a remote disk, an image or a local block device as a block device of this server.
 *
 * @throws {DiskferryError} with a sentence when the source cannot be reached, opened, or written as asked; nothing
 * stays behind
 */
export async function attachDisk(source: DiskSource, options: AttachOptions): Promise<SimulatedDisk> {
  const { session, signal } = options;
  signal?.throwIfAborted();
  const held = new HeldResources(session);
  try {
    const folder = await mkdtemp(join(session.folder, 'disk-'));
    return await attach(source, options, { held, folder });
  } catch (error) {
    await held.releaseAll();
    throw error;
  }
}

interface Place {
  readonly held: HeldResources;
  readonly folder: string;
}

async function attach(
  source: DiskSource,
  options: AttachOptions,
  { held, folder }: Place,
): Promise<SimulatedDisk> {
  // Taken in this order, so that giving back in reverse works: the server of the image, the adapter process, its
  // mount, the loop device of the disk, those of its partitions.
  const connection = await connectionOf(source, options, { held, folder });
  const driver = await pickDriver(options.driver ?? 'auto');
  const adapter = new Adapter(held, join(folder, 'adapter.log'), options.onNotice ?? (() => {}));
  const channel = await driver.prepare(held, folder);
  const geometry = await adapter.start(
    {
      sourceName: nameOf(source),
      ...connection,
      mode: options.mode,
      channel,
      ...(options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs }),
    },
    options.signal,
  );
  const device = await driver.attach(held, channel, geometry);
  options.signal?.throwIfAborted();
  // Programs that wait for the disk cannot even be killed, so whoever interrupts the work would wait for it too.
  options.signal?.addEventListener('abort', () => adapter.stopWaiting(), { once: true });
  return new AttachedDisk({ device, geometry, adapter, held, folder });
}

/** Formats in which what is zeroed or discarded takes no room; QEMU writes zeros into the others. */
const KEEPS_ZEROS: readonly ImageFormat[] = ['qcow2', 'raw'];

/** What the adapter connects to, and as what; the server of an image or a device is started for it. */
async function connectionOf(
  source: DiskSource,
  options: AttachOptions,
  { held, folder }: Place,
): Promise<Pick<AdapterConfig, 'source' | 'sectorSize'>> {
  const readOnly = options.mode !== 'write';
  switch (source.kind) {
    case 'image': {
      const isNew = options.isNew === true;
      const address = await serveImage(held, { ...source, readOnly, isNew, folder });
      const fresh = isNew ? { fresh: { keepsZeros: KEEPS_ZEROS.includes(source.format) } } : {};
      return { source: { kind: 'image', address, ...fresh }, sectorSize: options.sectorSize ?? 'by-table' };
    }
    case 'device': {
      const { path, segments } = source;
      const { sectorSize } = await inspectDevice(path, { writable: !readOnly });
      const address = await serveDevice(held, { path, readOnly, folder });
      // Volumes on one device are attached at once.
      const parts = segments === undefined ? {} : { segments };
      const claim = readOnly || segments !== undefined ? {} : { exclusive: path };
      return { source: { kind: 'image', address, ...parts, ...claim }, sectorSize };
    }
    case 'remote': {
      const { reconnectLimitMs, session } = options;
      const purpose = options.purpose ?? {
        // Two disks of one session may be disks of one computer.
        job: `${session.id}-${basename(folder)}`,
        description: `attached for writing by ${hostname()}`,
      };
      const limit = reconnectLimitMs === undefined ? {} : { reconnectLimitMs };
      return { source: { ...source, purpose, ...limit } };
    }
  }
}

function nameOf(source: DiskSource): string {
  switch (source.kind) {
    case 'image':
      return `the image ${source.path}`;
    case 'device':
      return source.segments === undefined ? source.path : `a volume on ${source.path}`;
    case 'remote':
      return formatDiskAddress(source.address);
  }
}
