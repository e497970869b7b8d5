import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type CpioEntry, makeCpio } from '@diskferry/system/medium/cpio';
import { LAYERS, type Layer } from './layers/layer.ts';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import type { KernelParts } from './packages/parts.ts';
import { settingsArchive } from '@diskferry/system/medium/settings-archive';

/** What stage 1 calls. */
const APPLETS = ['sh', 'cp', 'insmod', 'losetup', 'mkdir', 'mount', 'reboot', 'sleep', 'switch_root'];
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
  /** What makes the computers that start from it managed ones. */
  readonly settings?: MediumSettings | undefined;
  /** The time of all entries, in seconds since 1970. */
  readonly epoch: number;
}

/**
 * Writes an initrd of archives, which the kernel unpacks one after the other: the small one of stage 1, compressed; one with
 * the images of the root file system, which are compressed in themselves and are stored as they are; and for managed
 * computers one with the settings. These are in no image, so that no cache keeps the secret.
 */
export async function writeInitrd(options: InitrdOptions): Promise<void> {
  const stage1 = gzipSync(makeCpio(await stage1Entries(options), options.epoch), { level: 9 });
  const images = LAYERS.map(async (layer) => ({
    path: `layers/${layer}.squashfs`,
    mode: 0o100644,
    data: await readFile(options.images[layer]),
  }));
  const root = makeCpio([{ path: 'layers', mode: 0o040755 }, ...(await Promise.all(images))], options.epoch);
  // The kernel looks for the next archive at a multiple of four.
  const gap = Buffer.alloc((4 - (stage1.length % 4)) % 4);
  const settings = options.settings === undefined ? [] : [settingsArchive(options.settings, options.epoch)];
  await writeFile(options.target, Buffer.concat([stage1, gap, root, ...settings]));
}

async function stage1Entries({ init, busybox, kernel }: InitrdOptions): Promise<CpioEntry[]> {
  const modules = Object.entries(MODULES).map(async ([name, path]) => ({
    path: `modules/${name}.ko`,
    mode: 0o100644,
    data: await readFile(join(kernel.modulesFolder, path)),
  }));
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
  ];
}
