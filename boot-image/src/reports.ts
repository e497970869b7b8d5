import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from './hash.ts';
import { LAYERS, type Layer } from './layers/layer.ts';
import type { Parts } from './packages/parts.ts';
import { sizeOfTree } from './layers/size-of-tree.ts';
import type { PartSize } from './size-table.ts';

const MANIFEST = 'boot-image.manifest.json';
const LEFT_OUT = 'boot-image.left-out.txt';

export interface ManifestOptions {
  readonly distFolder: string;
  readonly parts: Parts;
  readonly epoch: number;
  readonly drivers: readonly string[];
  /** Files by the name that the manifest gives them. */
  readonly files: Readonly<Record<string, string>>;
}

/** Writes down what the boot image was made of; two equal manifests mean equal media. */
export async function writeManifest(options: ManifestOptions): Promise<void> {
  const { distFolder, parts, epoch, drivers, files } = options;
  const sha256: Record<string, string> = {};
  for (const [name, path] of Object.entries(files)) sha256[name] = await hashFile(path);
  const packages = parts.packages.map(({ name, version, sha256 }) => ({ name, version, sha256 }));
  const manifest = { sourceDateEpoch: epoch, kernel: parts.kernel.release, packages, sha256, drivers };
  await writeFile(join(distFolder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/** What someone may look for in the boot image in vain. */
export interface LeftOut {
  /** Paths of storage and network drivers of the kernel package that were not chosen. */
  readonly drivers: readonly string[];
  /** Firmware files that chosen drivers may ask for, as "DRIVER FILE". */
  readonly firmware: readonly string[];
}

/** Writes down what is not in the boot image. */
export async function writeLeftOut(distFolder: string, { drivers, firmware }: LeftOut): Promise<void> {
  const lines = [
    '# storage and network drivers of the kernel that are not in the lists of boot-image/drivers',
    ...drivers,
    '',
    '# firmware that drivers in the boot image may ask for (driver, file); it is in Debian packages that are not free',
    ...firmware,
  ];
  await writeFile(join(distFolder, LEFT_OUT), `${lines.join('\n')}\n`);
}

export interface MeasureOptions {
  readonly folders: Readonly<Record<Layer, string>>;
  readonly images: Readonly<Record<Layer, string>>;
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly iso: string;
}

/** Sizes of the parts, in the order in which they are put into one another. */
export async function measureParts({
  folders,
  images,
  vmlinuz,
  initrd,
  iso,
}: MeasureOptions): Promise<PartSize[]> {
  const bytes = async (path: string): Promise<number> => (await stat(path)).size;
  const layers = LAYERS.map(async (layer) => ({
    name: LAYER_NAMES[layer],
    bytes: await bytes(images[layer]),
    unpackedBytes: await sizeOfTree(folders[layer]),
  }));
  return [
    ...(await Promise.all(layers)),
    { name: 'initrd', bytes: await bytes(initrd) },
    { name: 'kernel', bytes: await bytes(vmlinuz) },
    { name: 'ISO', bytes: await bytes(iso) },
  ];
}

const LAYER_NAMES: Readonly<Record<Layer, string>> = {
  system: 'BusyBox, libraries and scripts',
  client: 'imaging client',
  drivers: 'drivers',
};
