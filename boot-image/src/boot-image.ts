import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { chooseDrivers, extraDrivers, leftOut } from './drivers/choose-drivers.ts';
import { parseModuleIndex } from './drivers/module-index.ts';
import { readDriverLists } from './drivers/read-driver-lists.ts';
import { wantedFirmware } from './drivers/wanted-firmware.ts';
import { type InitrdOptions, layerArchive, writeInitrd } from './initrd.ts';
import { composeExtraDrivers, composeFirmware, composeLayers } from './layers/compose-layers.ts';
import type { Layer } from './layers/layer.ts';
import { packLayer } from './layers/pack-layer.ts';
import { SOURCE_FOLDER } from './locations.ts';
import { writeMedium } from './media/write-medium.ts';
import { writeNetworkFiles } from './media/network-files.ts';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import { collectParts, type KernelParts, type Parts } from './packages/parts.ts';
import { type DebianPackage, findPackages } from './packages/package-index.ts';
import { unpackPackage } from './packages/unpack-package.ts';
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
  /** Whether the drivers that are not in the lists are in the initrd too; in any case they are an archive of their own. */
  readonly extraDrivers?: boolean;
  /** Debian packages whose firmware files are in the initrd. */
  readonly firmware?: readonly string[];
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
  const { drivers, added, notTaken } = await selectDrivers(parts.kernel);
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
  const { vmlinuz } = parts.kernel;
  const initrd = join(scratch, 'initrd');
  const extra = await packExtraDrivers(scratch, parts.kernel, { inImage: drivers, added }, options);
  const firmware = await packFirmware(scratch, options);
  const more = [...(options.extraDrivers === true ? [extra] : []), ...firmware.archives];
  await writeInitrd({ ...initrdParts(parts), target: initrd, images: packed, more, epoch });
  const iso = join(distFolder, 'diskferry.iso');
  await writeMedium({ vmlinuz, initrd, settings, iso, scratch, folders: parts.folders, epoch });
  const network = { vmlinuz, initrd, settings, extraDrivers: extra, epoch };
  const boot = await writeNetworkFiles({ ...network, folders: parts.folders, distFolder });
  const files = { 'imaging-client': client, 'diskferry.iso': iso, ...boot.files };
  const packages = [...parts.packages, ...firmware.packages];
  await writeManifest({ distFolder, parts: { ...parts, packages }, epoch, drivers, files });
  const wanted = await wantedFirmware(parts.kernel.modulesFolder, drivers);
  const missing = { drivers: notTaken, firmware: wanted };
  await writeLeftOut(distFolder, missing);
  const sizes = await measureParts({ vmlinuz, initrd, iso, folders, images: packed });
  return { vmlinuz: boot.vmlinuz, initrd: boot.initrd, iso, sizes, leftOut: missing };
}

async function requireClient(client: string): Promise<void> {
  if (await pathExists(client)) return;
  throw new DiskferryError(
    'CLIENT_MISSING',
    `the imaging client ${client} is not there: build it first with "npm run client"`,
  );
}

async function selectDrivers(
  kernel: KernelParts,
): Promise<{ drivers: string[]; added: string[]; notTaken: string[] }> {
  const read = (name: string): Promise<string> => readFile(join(kernel.modulesFolder, name), 'utf8');
  const index = parseModuleIndex(await read('modules.dep'), await read('modules.softdep'));
  const drivers = chooseDrivers(await readDriverLists(join(SOURCE_FOLDER, 'drivers')), index);
  return { drivers, added: extraDrivers(drivers, index), notTaken: leftOut(drivers, index) };
}

type Packing = Pick<BootImageOptions, 'cacheFolder' | 'epoch' | 'firmware'>;

async function packExtraDrivers(
  scratch: string,
  kernel: KernelParts,
  drivers: { inImage: readonly string[]; added: readonly string[] },
  options: Packing,
): Promise<Buffer> {
  const folder = join(scratch, 'extra-drivers');
  await composeExtraDrivers(folder, kernel, drivers);
  return layerArchive('extra-drivers', await packLayer('extra-drivers', folder, options), options.epoch);
}

async function packFirmware(
  scratch: string,
  options: Packing,
): Promise<{ packages: DebianPackage[]; archives: Buffer[] }> {
  const { firmware: names = [], cacheFolder, epoch } = options;
  if (names.length === 0) return { packages: [], archives: [] };
  const packages = await findPackages(names);
  const folders: string[] = [];
  for (const item of packages) folders.push(await unpackPackage(item, cacheFolder));
  const folder = join(scratch, 'firmware');
  await composeFirmware(folder, folders);
  const archive = await layerArchive('firmware', await packLayer('firmware', folder, options), epoch);
  return { packages, archives: [archive] };
}

function initrdParts({ folders, kernel }: Parts): Pick<InitrdOptions, 'init' | 'busybox' | 'kernel'> {
  const busybox = join(folders['busybox-static'], 'bin/busybox');
  return { init: join(SOURCE_FOLDER, 'initramfs/init'), busybox, kernel };
}
