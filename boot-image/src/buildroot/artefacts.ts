import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wantedFirmware } from '../drivers/wanted-firmware.ts';
import { sourceDateEpoch } from '../epoch.ts';
import { writeInitrd } from '../initrd.ts';
import { LAYERS, type Layer } from '../layers/layer.ts';
import { writeLeanClient } from '../layers/lean-client.ts';
import { listTree } from '../layers/list-tree.ts';
import { packLayer } from '../layers/pack-layer.ts';
import { cacheFolder, SOURCE_FOLDER } from '../locations.ts';
import { writeNetworkFiles } from '../media/network-files.ts';
import { writeMedium } from '../media/write-medium.ts';
import { findPackages } from '../packages/package-index.ts';
import { PACKAGE_NAMES, type PackageName } from '../packages/package-names.ts';
import type { Parts } from '../packages/parts.ts';
import { unpackPackage } from '../packages/unpack-package.ts';
import { measureParts, writeLeftOut, writeManifest } from '../reports.ts';
import { formatSizes } from '../size-table.ts';
import { requireTools } from '../tools.ts';
import { requireDrivers } from './absent-drivers.ts';
import { lostInBuild } from './built-configurations.ts';
import type { LostOption } from './lost-options.ts';
import { splitRoot } from './split-root.ts';

const CLIENT = 'usr/bin/imaging-client';
/** What Buildroot has made itself. Of the Debian packages only the boot loaders remain. */
const FROM_BUILDROOT: readonly string[] = [
  'busybox-static',
  'libc6',
  'libstdc++6',
  'libgcc-s1',
  'libatomic1',
] satisfies readonly PackageName[];

export interface ArtefactsOptions {
  /** Where Buildroot has left bzImage and rootfs.tar; the media are made beside them. */
  readonly imagesFolder: string;
  /** Buildroot's output folder. */
  readonly outputFolder: string;
  /** Told which options got lost, also when none did; throws to stop. */
  readonly onLost: (lost: readonly LostOption[]) => void;
}

/**
 * Makes boot media of what Buildroot has built, with the programs that make those of Debian's parts: the same initrd, boot
 * loaders, names and reports.
 *
 * @returns a table of sizes
 * @throws {DiskferryError} for missing tools, packages or drivers
 */
export async function makeArtefacts({
  imagesFolder,
  outputFolder,
  onLost,
}: ArtefactsOptions): Promise<string> {
  requireTools();
  // Permissions of the folders that are made here go into the image.
  process.umask(0o022);
  onLost(await lostInBuild(outputFolder));
  const scratch = await mkdtemp(join(tmpdir(), 'diskferry-buildroot-'));
  try {
    return await makeIn(scratch, imagesFolder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function makeIn(scratch: string, distFolder: string): Promise<string> {
  const epoch = sourceDateEpoch();
  const { folders: layers, release } = await splitRoot(
    join(distFolder, 'rootfs.tar'),
    join(scratch, 'layers'),
  );
  const modulesFolder = join(layers.drivers, 'usr/lib/modules', release);
  await requireDrivers(modulesFolder);
  const client = join(scratch, 'imaging-client');
  await rename(join(layers.client, CLIENT), client);
  await writeLeanClient(client, join(layers.client, CLIENT));
  const images = await packLayers(layers, epoch);
  const parts = await collectLoaders({ release, vmlinuz: join(distFolder, 'bzImage'), modulesFolder });
  const { vmlinuz } = parts.kernel;
  const initrd = join(scratch, 'initrd');
  const init = join(SOURCE_FOLDER, 'initramfs/init');
  const busybox = join(layers.system, 'usr/bin/busybox');
  await writeInitrd({ target: initrd, images, init, busybox, kernel: parts.kernel, epoch });
  const iso = join(distFolder, 'diskferry.iso');
  const common = { vmlinuz, initrd, folders: parts.folders, settings: undefined, epoch };
  await writeMedium({ ...common, iso, scratch });
  const boot = await writeNetworkFiles({ ...common, distFolder });
  const drivers = (await listTree(modulesFolder)).filter((path) => path.endsWith('.ko'));
  const files = { 'imaging-client': client, 'diskferry.iso': iso, ...boot.files };
  await writeManifest({ distFolder, parts, epoch, drivers, files });
  await writeLeftOut(distFolder, { drivers: [], firmware: await wantedFirmware(modulesFolder, drivers) });
  return formatSizes(await measureParts({ vmlinuz, initrd, iso, folders: layers, images }));
}

async function packLayers(
  folders: Readonly<Record<Layer, string>>,
  epoch: number,
): Promise<Record<Layer, string>> {
  const images: Partial<Record<Layer, string>> = {};
  for (const layer of LAYERS) {
    images[layer] = await packLayer(layer, folders[layer], { cacheFolder: cacheFolder(), epoch });
  }
  return images as Record<Layer, string>;
}

/**
 * The boot loaders are Debian's, as in the other build: Buildroot's are not signed, and none of them suits all media. Folders of
 * other packages are left out: what writes media reads those of boot loaders only.
 */
async function collectLoaders(kernel: Parts['kernel']): Promise<Parts> {
  const all = await findPackages(PACKAGE_NAMES);
  const packages = all.filter(({ name }) => !FROM_BUILDROOT.includes(name));
  const folders: Partial<Record<PackageName, string>> = {};
  for (const item of packages) {
    folders[item.name as PackageName] = await unpackPackage(item, cacheFolder());
  }
  return { packages, folders: folders as Record<PackageName, string>, kernel };
}
