import { constants, existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import { formatBytes } from '@diskferry/system/units';
import type { BootFacts, BootPartition, MendingContext, MendingPart, WritableDisk } from './boot-mending.ts';
import type { FoundGrub } from './grub-bios.ts';
import { folderOf } from './grub-folder.ts';
import { hardDiskBootCode, SECTOR_BYTES, withBlockList } from './grub-images.ts';
import type { BootSurvey, GrubFolder, GrubModules } from './survey.ts';
import { inside, isMountable, withFolder } from './volume-files.ts';

const PLATFORM = 'i386-pc';
/** GRUB of this server, of Debian's package grub-pc-bin. */
const OWN_MODULES = '/usr/lib/grub/i386-pc';
/** GRUB's module for each file system that it may be in. */
const MODULE_OF: Readonly<Record<string, string>> = {
  ext2: 'ext2',
  ext3: 'ext2',
  ext4: 'ext2',
  xfs: 'xfs',
  btrfs: 'btrfs',
};
/** What grub-install copies into GRUB's folder. */
const RUNTIME_FILE = /\.(?:mod|lst|o)$/;

/** From where a core is made: a folder of the deployed system, or one of this server. */
interface Origin {
  readonly partition: BootPartition | undefined;
  readonly path: string;
  readonly normalModule: Buffer;
}

/** All that is needed to put GRUB into the BIOS boot partition of the destination. */
interface Embedding {
  readonly folder: GrubFolder;
  readonly volume: BootPartition;
  readonly origin: Origin;
  readonly module: string;
  readonly place: { readonly start: number; readonly size: number };
  /** The modules beside GRUB's menu are of another version than the core will be. */
  readonly isOtherVersion: boolean;
}

/**
 * An MBR becomes a GPT: the gap behind it is taken by the table, and GRUB's core knows its files by the number of a partition
 * of an MBR. A core for the GPT is made, as grub-install does, and goes into the BIOS boot partition.
 */
export function embedGrub(facts: BootFacts, survey: BootSurvey, grub: FoundGrub | undefined): MendingPart {
  const found = findEmbedding(facts, survey, grub);
  if (typeof found === 'string') return { obstacles: [found] };
  const { folder, volume, origin, isOtherVersion } = found;
  const notes: string[] = [];
  if (origin.partition === undefined) {
    notes.push(`the system lacks what GRUB is made from: GRUB of this server (${OWN_MODULES}) is installed`);
  }
  const target = `${folder.path}/${PLATFORM}`;
  return {
    notes,
    steps: [
      {
        title: `make GRUB for the GPT and put it into the BIOS boot partition`,
        run: (destination, deviceOf, context) => install(found, destination, deviceOf, context),
      },
    ],
    changedFiles: isOtherVersion ? [{ partition: volume.number, path: target }] : [],
  };
}

/** Returns an obstacle where something is missing. */
function findEmbedding(
  { biosBoot, partitions }: BootFacts,
  survey: BootSurvey,
  grub: FoundGrub | undefined,
): Embedding | string {
  const folder = folderOf(survey, grub);
  if (folder === undefined) {
    return (
      "GRUB's folder (/boot/grub/i386-pc) was not found in a file system that can be read here, " +
      'so that GRUB cannot be made anew for a GPT'
    );
  }
  const volume = partitions.find(({ number }) => number === folder.partition);
  const module = volume && MODULE_OF[volume.fileSystem.type];
  if (volume === undefined || module === undefined || !isMountable(volume.fileSystem.type)) {
    return `GRUB's folder is in partition ${folder.partition}, whose file system cannot be written here`;
  }
  if (biosBoot === undefined) return 'there is no BIOS boot partition for GRUB on the destination';
  const origin = originOf(survey, folder, partitions);
  if (origin === undefined) {
    return (
      'GRUB must be made anew for a GPT, but neither the system nor this server has what it is made from; ' +
      'install it here with: apt-get install grub-pc-bin'
    );
  }
  const isOtherVersion = !origin.normalModule.equals(folder.normalModule);
  return { folder, volume, origin, module, place: biosBoot, isOtherVersion };
}

/** The system's own, if possible of the very version of the modules beside its menu. */
function originOf(
  { grubModules }: BootSurvey,
  { normalModule }: GrubFolder,
  partitions: readonly BootPartition[],
): Origin | undefined {
  const isSame = (modules: GrubModules): boolean => modules.normalModule.equals(normalModule);
  const own = grubModules.find(isSame) ?? grubModules[0];
  const partition = own && partitions.find(({ number }) => number === own.partition);
  if (own !== undefined && partition !== undefined && isMountable(partition.fileSystem.type)) {
    return { ...own, partition };
  }
  if (!existsSync(join(OWN_MODULES, 'kernel.img'))) return undefined;
  return {
    partition: undefined,
    path: OWN_MODULES,
    normalModule: readFileSync(join(OWN_MODULES, 'normal.mod')),
  };
}

type DeviceOf = (partition: number) => Promise<string>;

async function install(
  embedding: Embedding,
  destination: WritableDisk,
  deviceOf: DeviceOf,
  context: MendingContext,
): Promise<void> {
  const { place, isOtherVersion } = embedding;
  const modules = await fetchModules(embedding, deviceOf, context);
  if (isOtherVersion) await refreshModules(embedding, modules, deviceOf, context);
  const core = await makeCore(embedding, modules, context);
  if (core.length > place.size) {
    throw new DiskferryError(
      'GRUB_TOO_LARGE',
      `the core of GRUB takes ${formatBytes(core.length)}, the BIOS boot partition has ${formatBytes(place.size)}`,
    );
  }
  const lba = place.start / SECTOR_BYTES;
  await destination.write(place.start, placedCore(core, lba));
  await destination.write(0, hardDiskBootCode(await readFile(join(modules, 'boot.img')), lba));
}

/** A core in whole sectors, whose block list says that its sectors follow each other from `lba` on. */
function placedCore(core: Buffer, lba: number): Buffer {
  const sectors = Math.ceil(core.length / SECTOR_BYTES);
  const placed = Buffer.alloc(sectors * SECTOR_BYTES);
  core.copy(placed);
  const first = withBlockList(placed.subarray(0, SECTOR_BYTES), [{ lba: lba + 1, sectors: sectors - 1 }]);
  if (first === undefined) throw new TypeError('a new core has room for one entry in its block list');
  first.copy(placed);
  return placed;
}

/** Copies what GRUB is made from to this server, so that no volume is mounted twice. Returns the folder. */
async function fetchModules(
  { origin: { partition, path } }: Embedding,
  deviceOf: DeviceOf,
  context: MendingContext,
): Promise<string> {
  if (partition === undefined) return path;
  const copy = await mkdtemp(join(context.session.folder, 'grub-'));
  const volume = { device: await deviceOf(partition.number), type: partition.fileSystem.type };
  await withFolder(volume, 'ro', context, async (root) => {
    const folder = await inside(root, path);
    if (folder === undefined) throw new DiskferryError('GRUB_MISSING', `${path} is not there any more`);
    await copyFiles(folder, copy, () => true);
  });
  return copy;
}

/** Puts the modules of the core's version beside the menu, as grub-install does. */
async function refreshModules(
  { folder, volume }: Embedding,
  modules: string,
  deviceOf: DeviceOf,
  context: MendingContext,
): Promise<void> {
  const target = { device: await deviceOf(volume.number), type: volume.fileSystem.type };
  await withFolder(target, 'rw', context, async (root) => {
    const place = await inside(root, `${folder.path}/${PLATFORM}`);
    if (place === undefined) throw new DiskferryError('GRUB_MISSING', `${folder.path} is not there any more`);
    await copyFiles(modules, place, (name) => RUNTIME_FILE.test(name));
  });
}

/** Plain files only: a symbolic link of a stranger may lead anywhere. */
async function copyFiles(from: string, to: string, isWanted: (name: string) => boolean): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (!entry.isFile() || !isWanted(entry.name)) continue;
    // A link in the place of the file is replaced, not followed.
    await rm(join(to, entry.name), { force: true });
    await copyFile(join(from, entry.name), join(to, entry.name), constants.COPYFILE_EXCL);
  }
}

async function makeCore(
  { folder, volume, module }: Embedding,
  modules: string,
  { session, signal }: MendingContext,
): Promise<Buffer> {
  const output = join(await mkdtemp(join(session.folder, 'grub-core-')), 'core.img');
  // Without a disk in front of the comma, that from which the BIOS started.
  const prefix = `(,gpt${volume.number})${folder.path}`;
  const command = ['grub-mkimage', '-d', modules, '-O', PLATFORM, '-o', output, '-p', prefix] as const;
  await run([...command, 'biosdisk', 'part_gpt', 'part_msdos', module], { signal });
  return readFile(output);
}
