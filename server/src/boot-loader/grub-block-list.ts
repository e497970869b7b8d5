import { open } from 'node:fs/promises';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import type { BootPartition, MendingPart } from './boot-mending.ts';
import type { FoundGrub } from './grub-bios.ts';
import { isSameCore } from './grub-folder.ts';
import { coreLbaField, SECTOR_BYTES, type SectorRun, withBlockList } from './grub-images.ts';
import type { BootSurvey } from './survey.ts';
import { inside, isMountable, withFolder } from './volume-files.ts';

/**
 * GRUB was installed by a block list: its boot sector and the first sector of core.img name the blocks of that file. The copy
 * of the file has other blocks; these are written into both.
 *
 * @param bootSector where the boot sector is on the destination, in bytes
 */
export function remapCore(
  { grubFolders }: BootSurvey,
  grub: FoundGrub & { readonly partition: BootPartition },
  bootSector: number,
): MendingPart {
  const { partition } = grub;
  const folder = grubFolders.find(
    (one) => one.partition === partition.number && one.core !== undefined && isSameCore(one.core, grub),
  );
  if (folder === undefined || !isMountable(partition.fileSystem.type)) {
    const note =
      `GRUB remembers the blocks of a file in partition ${partition.number} that is not known here: ` +
      'the disk does not start before grub-install is run in the system';
    return { notes: [note] };
  }
  const path = `${folder.path}/i386-pc/core.img`;
  return {
    notes: [
      `GRUB is installed by a block list of ${path} in partition ${partition.number}, which is written anew; ` +
        'grub-install onto the disk itself is safer',
    ],
    steps: [
      {
        title: `write the new blocks of ${path} in partition ${partition.number} into GRUB's block list`,
        run: async (destination, deviceOf, context) => {
          const volume = { device: await deviceOf(partition.number), type: partition.fileSystem.type };
          const lba = await withFolder(volume, 'rw', context, async (root) => {
            const file = await inside(root, path);
            if (file === undefined) throw new DiskferryError('GRUB_MISSING', `${path} is not there any more`);
            return writeBlockList(file, partition.start / SECTOR_BYTES);
          });
          const { offset, data } = coreLbaField(lba);
          await destination.write(bootSector + offset, data);
        },
      },
    ],
    changedFiles: [{ partition: partition.number, path }],
  };
}

/** Returns the first sector of the file, counted as `startLba` of its partition is. */
async function writeBlockList(path: string, startLba: number): Promise<number> {
  await using file = await open(path, 'r+');
  const { size } = await file.stat();
  const first = Buffer.alloc(SECTOR_BYTES);
  await file.read(first, 0, SECTOR_BYTES, 0);
  await file.sync();
  const { stdout } = await run(['filefrag', '-e', '-v', '-b512', path]);
  const runs = parseExtents(stdout, Math.ceil(size / SECTOR_BYTES)).map(({ lba, sectors }) => ({
    lba: lba + startLba,
    sectors,
  }));
  const [head] = runs;
  const rest = runs
    .map((run) => (run === head ? { lba: run.lba + 1, sectors: run.sectors - 1 } : run))
    .filter(({ sectors }) => sectors > 0);
  const list = withBlockList(first, rest);
  if (head === undefined || list === undefined) {
    throw new DiskferryError(
      'GRUB_IN_PIECES',
      `${path} lies in ${runs.length} pieces, more than GRUB's block list has room for; run grub-install in the system`,
    );
  }
  await file.write(list, 0, SECTOR_BYTES, 0);
  await file.sync();
  return head.lba;
}

/** A line such as "   0:        0..      52:     67584..     67636:     53:             last,eof". */
const EXTENT = /^\s*\d+:\s*(\d+)\.\.\s*\d+:\s*(\d+)\.\.\s*\d+:\s*(\d+):(.*)$/;
/** Of extents that have no fixed place, or not the bytes of the file in it (filefrag.c of e2fsprogs). */
const UNFIT = /unknown_loc|delalloc|encoded|not_aligned|inline|tail_packed|unwritten|shared/;

/**
 * The extents of a file, from the output of filefrag in units of 512 bytes.
 *
 * @throws {DiskferryError} `GRUB_IN_PIECES` where the file has a hole, or extents that a boot loader cannot read
 */
export function parseExtents(output: string, sectors: number): SectorRun[] {
  const runs: SectorRun[] = [];
  let known = 0;
  for (const line of output.split('\n')) {
    const match = EXTENT.exec(line);
    if (match === null) continue;
    const [, logical, physical, length, flags = ''] = match;
    if (Number(logical) !== known || UNFIT.test(flags)) break;
    const count = Math.min(Number(length), sectors - known);
    if (count > 0) runs.push({ lba: Number(physical), sectors: count });
    known += Number(length);
  }
  if (known >= sectors) return runs;
  throw new DiskferryError(
    'GRUB_IN_PIECES',
    'the core of GRUB has a hole or lies where GRUB cannot read it by blocks; run grub-install in the system',
  );
}
