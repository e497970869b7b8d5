import { mkdtemp, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { formatDiskAddress } from '@diskferry/protocol/disk-address';
import type { SectorSize } from '@diskferry/protocol/disk';
import { run } from '@diskferry/system/run';
import { Adapter } from './adapter/adapter.ts';
import type { AdapterSource, DiskGeometry } from './adapter/messages.ts';
import { HeldResources } from './held-resources.ts';
import { serveImage } from './image/qemu-nbd.ts';
import { createLoopDevice } from './loopback/loop-device.ts';
import { pickDriver } from './loopback/pick-driver.ts';
import { readPartitionTable } from './partitions/read-partition-table.ts';
import type { AttachOptions, DiskSource, SimulatedDisk } from './simulated-disk.ts';

/** What an image has where nothing else is asked: 512 is what most computers expect. */
const IMAGE_SECTOR_SIZE: SectorSize = { logical: 512, physical: 4096 };

/**
 * Attaches a remote disk or an image as a block device of this server.
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
  const adapterSource = await adapterSourceOf(source, options, { held, folder });
  const driver = await pickDriver(options.driver ?? 'auto');
  const adapter = new Adapter(held, join(folder, 'adapter.log'), options.onNotice ?? (() => {}));
  const channel = await driver.prepare(held, folder);
  const sectorSize = source.kind === 'image' ? (options.sectorSize ?? IMAGE_SECTOR_SIZE) : undefined;
  const geometry = await adapter.start(
    {
      sourceName: nameOf(source),
      source: adapterSource,
      mode: options.mode,
      channel,
      ...(sectorSize === undefined ? {} : { sectorSize }),
      ...(options.requestTimeoutMs === undefined ? {} : { requestTimeoutMs: options.requestTimeoutMs }),
    },
    options.signal,
  );
  const device = await driver.attach(held, channel, geometry);
  options.signal?.throwIfAborted();
  // Programs that wait for the disk cannot even be killed, so whoever interrupts the work would wait for it too.
  options.signal?.addEventListener('abort', () => adapter.stopWaiting(), { once: true });
  return simulatedDisk(device, geometry, adapter, held);
}

/** What the adapter connects to; the server of an image is started for it. */
async function adapterSourceOf(
  source: DiskSource,
  options: AttachOptions,
  { held, folder }: Place,
): Promise<AdapterSource> {
  if (source.kind === 'image') {
    const readOnly = options.mode !== 'write';
    return {
      kind: 'image',
      address: await serveImage(held, { path: source.path, format: source.format, readOnly, folder }),
    };
  }
  const { reconnectLimitMs, session } = options;
  return {
    ...source,
    purpose: options.purpose ?? {
      // Two disks of one session may be disks of one computer.
      job: `${session.id}-${basename(folder)}`,
      description: `attached for writing by ${hostname()}`,
    },
    ...(reconnectLimitMs === undefined ? {} : { reconnectLimitMs }),
  };
}

function nameOf(source: DiskSource): string {
  return source.kind === 'image' ? `the image ${source.path}` : formatDiskAddress(source.address);
}

function simulatedDisk(
  device: string,
  geometry: DiskGeometry,
  adapter: Adapter,
  held: HeldResources,
): SimulatedDisk {
  const { size, sectorSize } = geometry;
  const readDevice = (offset: number, length: number): Promise<Buffer> => readAt(device, offset, length);
  return {
    device,
    size,
    sectorSize,
    read: readDevice,
    write: (offset, data) => writeAt(device, offset, data),
    readPartitionTable: () => readPartitionTable({ size, sectorSize, read: readDevice }),
    attachPartition: ({ start, size }) =>
      createLoopDevice(held, device, { sectorSize: sectorSize.logical, part: { start, size } }),
    counters: () => adapter.counters(),
    failure: adapter.failure,
    async detach() {
      try {
        // What the kernel still keeps of the partitions goes to the disk, that of the disk to the adapter, and
        // everything in the adapter to the source. Only the last step tells whether any of it failed.
        await held.releaseWhere((resource) => resource.kind === 'loop' && resource.backing === device);
        await run(['sync', device], { okExitCodes: [0, 1] });
        await adapter.flush();
      } finally {
        adapter.expectEnd();
        await held.releaseAll();
      }
    },
  };
}

async function readAt(device: string, offset: number, length: number): Promise<Buffer> {
  const handle = await open(device, 'r');
  try {
    const buffer = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) {
        throw new RangeError(`${device} ends before ${length} bytes at ${offset} are read`);
      }
      done += bytesRead;
    }
    return buffer;
  } finally {
    await handle.close();
  }
}

async function writeAt(device: string, offset: number, data: Uint8Array): Promise<void> {
  const handle = await open(device, 'r+');
  try {
    for (let done = 0; done < data.length; ) {
      done += (await handle.write(data, done, data.length - done, offset + done)).bytesWritten;
    }
  } finally {
    await handle.close();
  }
}
