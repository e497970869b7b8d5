import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { chooseDrivers, leftOut } from './drivers/choose-drivers.ts';
import { parseModuleIndex } from './drivers/module-index.ts';
import { readDriverLists } from './drivers/read-driver-lists.ts';
import { hashFile, hashText } from './hash.ts';
import { writeInitrd } from './initrd.ts';
import { SOURCE_FOLDER } from './locations.ts';
import { writeIso } from './media/iso.ts';
import { collectParts, type KernelParts, type Parts } from './packages/parts.ts';
import { pathExists } from './path-exists.ts';
import type { PartSize } from './report.ts';
import { composeRoot } from './root/compose-root.ts';
import { packRoot } from './root/pack-root.ts';
import { requireTools } from './tools.ts';

const ID_DIGITS = 16;

export interface BootImageOptions {
  /** The imaging client executable. */
  readonly client: string;
  readonly distFolder: string;
  readonly cacheFolder: string;
  /** The time of all files, in seconds since 1970. */
  readonly epoch: number;
  /** Told before each step. */
  readonly onStep?: (step: string) => void;
}

export interface BootImage {
  readonly iso: string;
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly sizes: readonly PartSize[];
  /** Storage and network drivers of the kernel package that were not taken. */
  readonly leftOut: readonly string[];
  readonly drivers: readonly string[];
}

/**
 * Builds the secondary OS: `diskferry.iso`, `pxe/vmlinuz`, `pxe/initrd` and two reports in the dist folder.
 *
 * @throws {DiskferryError} for missing tools, packages, drivers or client
 */
export async function buildBootImage(options: BootImageOptions): Promise<BootImage> {
  const { onStep = () => {}, client, distFolder, cacheFolder, epoch } = options;
  requireTools();
  await requireClient(client);
  onStep('Debian packages: download and unpack what is not in the cache');
  const parts = await collectParts(cacheFolder);
  const { drivers, notTaken } = await selectDrivers(parts.kernel);
  const scratch = await mkdtemp(join(tmpdir(), 'diskferry-boot-image-'));
  try {
    const root = join(scratch, 'root');
    onStep(`root file system: ${drivers.length} drivers, the imaging client, BusyBox`);
    await composeRoot({
      target: root,
      parts,
      drivers,
      client,
      scripts: join(SOURCE_FOLDER, 'rootfs'),
      release: `Linux ${parts.kernel.release}`,
    });
    const squashfs = join(scratch, 'root.squashfs');
    onStep('root image: compress, or take it from the cache if nothing in it changed');
    await packRoot(root, squashfs, { cacheFolder, epoch });
    onStep('initrd, boot loaders and ISO');
    const boot = await writePxeFiles(parts, squashfs, { distFolder, epoch });
    const iso = join(distFolder, 'diskferry.iso');
    await writeMedium({ ...boot, iso, scratch, parts, epoch });
    await writeReports({ ...boot, iso, parts, distFolder, client, epoch, drivers, notTaken });
    const sizes = await measure({ ...boot, iso, squashfs, root, parts, client, drivers });
    return { ...boot, iso, sizes, leftOut: notTaken, drivers };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

interface BootFiles {
  readonly vmlinuz: string;
  readonly initrd: string;
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
  squashfs: string,
  { distFolder, epoch }: { distFolder: string; epoch: number },
): Promise<BootFiles> {
  const folder = join(distFolder, 'pxe');
  await mkdir(folder, { recursive: true });
  const vmlinuz = join(folder, 'vmlinuz');
  const initrd = join(folder, 'initrd');
  await copyFile(parts.kernel.vmlinuz, vmlinuz);
  await writeInitrd({
    target: initrd,
    squashfs,
    init: join(SOURCE_FOLDER, 'initramfs/init'),
    busybox: join(parts.folders['busybox-static'], 'bin/busybox'),
    kernel: parts.kernel,
    epoch,
  });
  return { vmlinuz, initrd };
}

interface MediumOptions extends BootFiles {
  readonly iso: string;
  readonly scratch: string;
  readonly parts: Parts;
  readonly epoch: number;
}

async function writeMedium({ vmlinuz, initrd, iso, scratch, parts, epoch }: MediumOptions): Promise<void> {
  const menu = await readFile(join(SOURCE_FOLDER, 'grub/grub.cfg'), 'utf8');
  const findMedium = await readFile(join(SOURCE_FOLDER, 'grub/find-medium.cfg'), 'utf8');
  const content = [await hashFile(vmlinuz), await hashFile(initrd), menu];
  const id = hashText(content.join('\n')).slice(0, ID_DIGITS);
  await writeIso({
    target: iso,
    scratch,
    vmlinuz,
    initrd,
    menu,
    findMedium: findMedium.replaceAll('@ID@', id),
    id,
    folders: parts.folders,
    epoch,
  });
}

interface ReportOptions extends BootFiles {
  readonly iso: string;
  readonly parts: Parts;
  readonly distFolder: string;
  readonly client: string;
  readonly epoch: number;
  readonly drivers: readonly string[];
  readonly notTaken: readonly string[];
}

async function writeReports(options: ReportOptions): Promise<void> {
  const { parts, distFolder, drivers, notTaken } = options;
  const manifest = {
    sourceDateEpoch: options.epoch,
    kernel: parts.kernel.release,
    packages: parts.packages.map(({ name, version, sha256 }) => ({ name, version, sha256 })),
    sha256: {
      'imaging-client': await hashFile(options.client),
      'diskferry.iso': await hashFile(options.iso),
      'pxe/vmlinuz': await hashFile(options.vmlinuz),
      'pxe/initrd': await hashFile(options.initrd),
    },
    drivers,
  };
  await writeFile(
    join(distFolder, 'boot-image.manifest.json'),
    `${JSON.stringify(manifest, undefined, 2)}\n`,
  );
  await writeFile(join(distFolder, 'boot-image.left-out.txt'), `${notTaken.join('\n')}\n`);
}

interface MeasureOptions extends BootFiles {
  readonly iso: string;
  readonly squashfs: string;
  readonly root: string;
  readonly parts: Parts;
  readonly client: string;
  readonly drivers: readonly string[];
}

async function measure(options: MeasureOptions): Promise<PartSize[]> {
  const bytes = async (path: string): Promise<number> => (await stat(path)).size;
  const total = async (paths: readonly string[]): Promise<number> =>
    (await Promise.all(paths.map(bytes))).reduce((sum, size) => sum + size, 0);
  const client = await bytes(options.client);
  const modules = await total(options.drivers.map((path) => join(options.parts.kernel.modulesFolder, path)));
  const libraries = 0;
  return [
    { name: 'kernel', bytes: await bytes(options.vmlinuz) },
    { name: '  imaging client', bytes: client },
    { name: `  ${options.drivers.length} drivers`, bytes: modules },
    {
      name: 'root image (squashfs)',
      bytes: await bytes(options.squashfs),
      unpackedBytes: client + modules + libraries,
    },
    { name: 'initrd', bytes: await bytes(options.initrd) },
    { name: 'ISO', bytes: await bytes(options.iso) },
  ];
}
