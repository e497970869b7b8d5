import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cleanUp, openSession } from '@diskferry/system/session';
import { buildDisk } from './build-disk.ts';
import type { BuildOptions } from './build-options.ts';
import { cachedFile, recipeHash } from './cache.ts';
import { debianArchive, debianRecipe } from './debian-archive.ts';
import { type Layout, layoutOf, type SourceKind } from './layout.ts';
import type { RootFileSystem } from './root-file-system.ts';
import { usedBytesOf } from './used-bytes.ts';

/** Password of root on every source computer. */
export const ROOT_PASSWORD = 'ferry';

const DEFAULT_SIZE_BYTES = 2_500_000_000;

export interface SourceOptions {
  /** 2.5 GB by default. */
  readonly sizeBytes?: number;
  /** Whether the free space is full of deleted noise; true by default. */
  readonly fillWithJunk?: boolean;
  /** ext4 by default. */
  readonly rootFileSystem?: RootFileSystem;
  /** Whether a file lies at the end of the root file system, where no smaller disk has anything; false by default. */
  readonly fileAtEnd?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (line: string) => void;
}

export interface SourceComputer {
  readonly kind: SourceKind;
  readonly firmware: 'bios' | 'uefi';
  /** A raw disk in the cache: work on a copy or an overlay. */
  readonly diskPath: string;
  /** Bytes. */
  readonly diskBytes: number;
  readonly layout: Layout;
  /** What the files of all its file systems take, in bytes. */
  readonly usedBytes: number;
}

/**
 * A computer with Debian 12 on its disk, as a raw disk file: `bios-mbr` has GRUB in the boot sector, ext4 and a
 * logical swap partition; `uefi-gpt` has GRUB in the EFI system partition, and ext4. The root can be XFS or Btrfs. It boots to a login prompt on
 * the serial line. Files of every kind are in /srv/ferry. Made once (root, some 90 s), then cached.
 */
export async function makeSourceComputer(
  kind: SourceKind,
  {
    sizeBytes = DEFAULT_SIZE_BYTES,
    fillWithJunk = true,
    rootFileSystem = 'ext4',
    fileAtEnd = false,
    signal,
    onProgress = () => undefined,
  }: SourceOptions = {},
): Promise<SourceComputer> {
  // A build that was killed left its mount and its half-made disk.
  await cleanUp();
  await using session = openSession('source-computer');
  const options: BuildOptions = { session, signal, onProgress };
  const choices = { sizeBytes, rootFileSystem, fillWithJunk, fileAtEnd };
  const hash = await diskRecipe([kind, JSON.stringify(choices)]);
  const diskPath = await cachedFile({
    name: `source-${kind}-${hash}.raw`,
    session,
    build: async (path) => {
      const archive = await debianArchive(options);
      await buildDisk(path, { archive, kind, ...choices }, options);
    },
  });
  const { size } = await stat(diskPath);
  const layout = layoutOf(kind, diskPath, sizeBytes, rootFileSystem);
  return {
    kind,
    firmware: kind === 'bios-mbr' ? 'bios' : 'uefi',
    diskPath,
    diskBytes: size,
    layout,
    usedBytes: await usedBytesOf(diskPath, layout, session),
  };
}

/** The disk is another one whenever a file of this folder changed. */
async function diskRecipe(parameters: readonly string[]): Promise<string> {
  const files = [
    'build-disk.ts',
    'boot-loader.ts',
    'emulation.ts',
    'file-at-end.ts',
    'junk.ts',
    'layout.ts',
    'root-file-system.ts',
    'special-files.sh',
  ];
  const texts = files.map(async (name) => readFile(join(import.meta.dirname, name)));
  return recipeHash([...parameters, await debianRecipe(), ...(await Promise.all(texts))]);
}
