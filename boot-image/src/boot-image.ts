import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { chooseDrivers, leftOut } from './drivers/choose-drivers.ts';
import { parseModuleIndex } from './drivers/module-index.ts';
import { readDriverLists } from './drivers/read-driver-lists.ts';
import { wantedFirmware } from './drivers/wanted-firmware.ts';
import { writeInitrd } from './initrd.ts';
import { composeLayers } from './layers/compose-layers.ts';
import type { Layer } from './layers/layer.ts';
import { packLayer } from './layers/pack-layer.ts';
import { SOURCE_FOLDER } from './locations.ts';
import { writeMedium } from './media/write-medium.ts';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import { collectParts, type KernelParts, type Parts } from './packages/parts.ts';
import { pathExists } from './path-exists.ts';
import { type LeftOut, measureParts, writeLeftOut, writeManifest } from './reports.ts';
import type { PartSize } from './size-table.ts';
import { requireTools } from './tools.ts';

export interface BootImageOptions {
  /** The imaging client executable. */
  readonly client: string;
  readonly distFolder: string;
  readonly cacheFolder: string;
  /** The time of all files, in seconds since 1970. */
  readonly epoch: number;
  /** Without them the computers wait for somebody who knows their pairing code. */
  readonly settings?: MediumSettings | undefined;
  /** Told before each step. */
  readonly onStep?: (step: string) => void;
}

export interface BootImage {
  readonly iso: string;
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly sizes: readonly PartSize[];
  readonly leftOut: LeftOut;
}

/**
 * Builds the secondary OS: `diskferry.iso`, `pxe/vmlinuz`, `pxe/initrd` and two reports in the dist folder.
 *
 * @throws {DiskferryError} for missing tools, packages, drivers or client
 */
export async function buildBootImage(options: BootImageOptions): Promise<BootImage> {
  requireTools();
  // Permissions of the folders that the build makes go into the image.
  process.umask(0o022);
  await requireClient(options.client);
  const scratch = await mkdtemp(join(tmpdir(), 'diskferry-boot-image-'));
  try {
    return await buildIn(scratch, options);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function buildIn(scratch: string, options: BootImageOptions): Promise<BootImage> {
  const { onStep = () => {}, client, distFolder, cacheFolder, epoch, settings } = options;
  onStep('Debian packages: download and unpack what is not in the cache');
  const parts = await collectParts(cacheFolder);
  const { drivers, notTaken } = await selectDrivers(parts.kernel);
  onStep(`root file system: the imaging client, ${drivers.length} drivers, BusyBox`);
  const scripts = join(SOURCE_FOLDER, 'rootfs');
  const folders = await composeLayers({ target: join(scratch, 'layers'), parts, drivers, client, scripts });
  const images: Partial<Record<Layer, string>> = {};
  for (const [layer, folder] of Object.entries(folders) as [Layer, string][]) {
    onStep(`compress the layer "${layer}", unless it is in the cache`);
    images[layer] = await packLayer(layer, folder, { cacheFolder, epoch });
  }
  const packed = images as Record<Layer, string>;
  onStep('initrd, boot loaders and ISO');
  const boot = await writePxeFiles(parts, packed, { distFolder, epoch, settings });
  const iso = join(distFolder, 'diskferry.iso');
  await writeMedium({ ...boot, iso, scratch, folders: parts.folders, epoch });
  const files = {
    'imaging-client': client,
    'diskferry.iso': iso,
    'pxe/vmlinuz': boot.vmlinuz,
    'pxe/initrd': boot.initrd,
  };
  await writeManifest({ distFolder, parts, epoch, drivers, files });
  const firmware = await wantedFirmware(parts.kernel.modulesFolder, drivers);
  const missing = { drivers: notTaken, firmware };
  await writeLeftOut(distFolder, missing);
  const sizes = await measureParts({ ...boot, iso, folders, images: packed });
  return { ...boot, iso, sizes, leftOut: missing };
}

async function requireClient(client: string): Promise<void> {
  if (await pathExists(client)) return;
  throw new DiskferryError(
    'CLIENT_MISSING',
    `the imaging client ${client} is not there: build it first with "npm run client"`,
  );
}

async function selectDrivers(kernel: KernelParts): Promise<{ drivers: string[]; notTaken: string[] }> {
  const read = (name: string): Promise<string> => readFile(join(kernel.modulesFolder, name), 'utf8');
  const index = parseModuleIndex(await read('modules.dep'), await read('modules.softdep'));
  const drivers = chooseDrivers(await readDriverLists(join(SOURCE_FOLDER, 'drivers')), index);
  return { drivers, notTaken: leftOut(drivers, index) };
}

async function writePxeFiles(
  parts: Parts,
  images: Readonly<Record<Layer, string>>,
  { distFolder, epoch, settings }: Pick<BootImageOptions, 'distFolder' | 'epoch' | 'settings'>,
): Promise<{ vmlinuz: string; initrd: string }> {
  const folder = join(distFolder, 'pxe');
  await mkdir(folder, { recursive: true });
  const vmlinuz = join(folder, 'vmlinuz');
  const initrd = join(folder, 'initrd');
  await copyFile(parts.kernel.vmlinuz, vmlinuz);
  await writeInitrd({
    target: initrd,
    images,
    init: join(SOURCE_FOLDER, 'initramfs/init'),
    busybox: join(parts.folders['busybox-static'], 'bin/busybox'),
    kernel: parts.kernel,
    settings,
    epoch,
  });
  return { vmlinuz, initrd };
}
