import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type CpioEntry, makeCpio } from '@diskferry/system/medium/cpio';
import { LAYERS, type Layer, type OptionalLayer } from './layers/layer.ts';
import type { KernelParts } from './packages/parts.ts';

/** What stage 1 calls. */
const APPLETS = [
  'sh',
  'cp',
  'insmod',
  'losetup',
  'md5sum',
  'mkdir',
  'mount',
  'reboot',
  'sleep',
  'switch_root',
];
const MODULES = {
  loop: 'kernel/drivers/block/loop.ko',
  squashfs: 'kernel/fs/squashfs/squashfs.ko',
  overlay: 'kernel/fs/overlayfs/overlay.ko',
} as const;
const CONSOLE_NUMBERS = [5, 1] as const;

export interface InitrdOptions {
  readonly target: string;
  /** The squashfs image of each layer. */
  readonly images: Readonly<Record<Layer, string>>;
  /** The script that the kernel starts. */
  readonly init: string;
  readonly busybox: string;
  readonly kernel: KernelParts;
  /** Archives of optional layers. */
  readonly more?: readonly Buffer[];
  /** The time of all entries, in seconds since 1970. */
  readonly epoch: number;
}

/**
 * Writes an initrd of two archives, which the kernel unpacks one after the other: the small one of stage 1, compressed, and
 * one with the images of the root file system, which are compressed in themselves and are stored as they are. Settings
 * of managed computers come behind it, as an archive of their own: they are in no image, so that no cache keeps the secret.
 */
export async function writeInitrd(options: InitrdOptions): Promise<void> {
  const stage1 = gzipSync(makeCpio(await stage1Entries(options), options.epoch), { level: 9 });
  const images = LAYERS.map(async (layer) => ({
    path: imagePath(layer),
    mode: 0o100644,
    data: await readFile(options.images[layer]),
  }));
  const root = makeCpio([{ path: 'layers', mode: 0o040755 }, ...(await Promise.all(images))], options.epoch);
  // The kernel looks for the next archive at a multiple of four.
  const gap = Buffer.alloc((4 - (stage1.length % 4)) % 4);
  await writeFile(options.target, Buffer.concat([stage1, gap, root, ...(options.more ?? [])]));
}

/**
 * An archive with the image of an optional layer and its sum. It is loaded behind the initrd, or is a part of it.
 *
 * @param epoch the time of all entries, in seconds since 1970
 */
export async function layerArchive(layer: OptionalLayer, image: string, epoch: number): Promise<Buffer> {
  const data = await readFile(image);
  const entries = [
    { path: 'layers', mode: 0o040755 },
    { path: imagePath(layer), mode: 0o100644, data },
    { path: 'sums', mode: 0o040755 },
    sumEntry(layer, data),
  ];
  return makeCpio(entries, epoch);
}

/**
 * The sum of an image, for md5sum. MD5 takes half of the time that SHA-256 takes there, and finds damage as well. It is no
 * guard against forgery: who can change an image can change its sum.
 */
function sumEntry(layer: Layer | OptionalLayer, image: Buffer): CpioEntry {
  const sum = createHash('md5').update(image).digest('hex');
  return { path: `sums/${layer}`, mode: 0o100644, data: Buffer.from(`${sum}  /${imagePath(layer)}\n`) };
}

function imagePath(layer: Layer | OptionalLayer): string {
  return `layers/${layer}.squashfs`;
}

async function stage1Entries({ init, busybox, kernel, images }: InitrdOptions): Promise<CpioEntry[]> {
  const modules = Object.entries(MODULES).map(async ([name, path]) => ({
    path: `modules/${name}.ko`,
    mode: 0o100644,
    data: await readFile(join(kernel.modulesFolder, path)),
  }));
  // MD5 takes half of the time that SHA-256 takes here, and finds damage as well. It is no guard against forgery: who can
  // change an image can change its sum.
  const sums = LAYERS.map(async (layer) => {
    const sum = createHash('md5')
      .update(await readFile(images[layer]))
      .digest('hex');
    return { path: `sums/${layer}`, mode: 0o100644, data: Buffer.from(`${sum}  /${imagePath(layer)}\n`) };
  });
  return [
    { path: 'bin', mode: 0o040755 },
    { path: 'bin/busybox', mode: 0o100755, data: await readFile(busybox) },
    ...APPLETS.map((name) => ({ path: `bin/${name}`, mode: 0o120777, data: Buffer.from('busybox') })),
    { path: 'dev', mode: 0o040755 },
    // The kernel opens it for /init before any device file system is mounted.
    { path: 'dev/console', mode: 0o020600, device: CONSOLE_NUMBERS },
    { path: 'init', mode: 0o100755, data: await readFile(init) },
    { path: 'modules', mode: 0o040755 },
    ...(await Promise.all(modules)),
    { path: 'sums', mode: 0o040755 },
    ...(await Promise.all(sums)),
  ];
}
