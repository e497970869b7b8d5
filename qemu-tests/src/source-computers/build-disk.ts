import { cp, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { efiMenu, grubMenu, grubModules, installBiosGrub, makeEfiGrub } from './boot-loader.ts';
import type { BuildOptions } from './build-options.ts';
import { writeFileAtEnd } from './file-at-end.ts';
import { fillFreeSpace, fillRange } from './junk.ts';
import { type Layout, layoutOf, type SourceKind } from './layout.ts';
import { withMountedPartition, withPartitionDevice } from './mounted-partition.ts';
import { type RootFileSystem, rootFacts } from './root-file-system.ts';

export interface DiskRecipe {
  /** The tar archive of the system. */
  readonly archive: string;
  readonly kind: SourceKind;
  readonly sizeBytes: number;
  readonly rootFileSystem: RootFileSystem;
  readonly fillWithJunk: boolean;
  readonly fileAtEnd: boolean;
}

/** Makes the raw disk of a source computer at `disk`. */
export async function buildDisk(disk: string, recipe: DiskRecipe, options: BuildOptions): Promise<void> {
  const { signal, onProgress } = options;
  const layout = layoutOf(recipe.kind, disk, recipe.sizeBytes, recipe.rootFileSystem);
  onProgress(`${recipe.kind}: partitions and file systems`);
  await makeEmptyDisk(disk, layout);
  // A partition that was in use once holds old data wherever its new file system wrote nothing.
  if (recipe.fillWithJunk) {
    for (const range of [layout.esp, layout.swap])
      if (range !== undefined) await fillRange(disk, range, options);
  }
  await formatPartitions(disk, layout, options.session);
  const mountOptions = await makeSubvolume(disk, layout, options.session);
  await withMountedPartition(
    { disk, partition: layout.root, options: mountOptions },
    options.session,
    async (root) => {
      onProgress(`${recipe.kind}: unpacking Debian`);
      await run(['tar', '-xpf', recipe.archive, '-C', root, '--numeric-owner', ...XATTRS], { signal });
      await configureSystem(root, layout);
      if (recipe.fileAtEnd) {
        const end = await writeFileAtEnd(root, { path: FILE_AT_END, sizeBytes: layout.root.size }, options);
        onProgress(`${recipe.kind}: a file ends ${layout.root.size - end} bytes before the end of the root`);
      }
      if (recipe.fillWithJunk) {
        onProgress(`${recipe.kind}: filling the free space with noise and deleting it`);
        await fillFreeSpace(root, options);
      }
    },
  );
  onProgress(`${recipe.kind}: boot loader`);
  await installBootLoader(disk, layout, options.session.folder);
}

/** With `fileAtEnd`: in the root file system. */
const FILE_AT_END = 'srv/ferry/at-the-end';
const XATTRS = ['--xattrs', '--xattrs-include=*'] as const;

async function makeEmptyDisk(disk: string, { sizeBytes, script }: Layout): Promise<void> {
  const file = await open(disk, 'wx');
  await file.truncate(sizeBytes);
  await file.close();
  await run(['sfdisk', '--quiet', '--no-reread', '--no-tell-kernel', disk], { input: `${script}\n` });
}

async function formatPartitions(
  disk: string,
  { root, rootUuid, rootFileSystem, swap, esp }: Layout,
  session: Session,
): Promise<void> {
  await withPartitionDevice({ disk, partition: root }, session, async (device) =>
    run([...rootFacts(rootFileSystem).make(rootUuid), device]),
  );
  if (swap !== undefined) await makeSwap(disk, swap, session.folder);
  if (esp !== undefined) {
    // One sector a cluster, so that so small a file system is FAT32.
    const fat = ['-F', '32', '-s', '1', '-n', 'FERRY-ESP', '-i', esp.serial];
    const place = ['--offset', String(esp.start / SECTOR), '-h', String(esp.start / SECTOR)];
    await run(['mkfs.fat', ...fat, ...place, disk, String(esp.size / KIB)]);
  }
}

/** Makes the subvolume of the root where there is one. Returns the options with which the root is mounted. */
async function makeSubvolume(
  disk: string,
  { root, rootFileSystem }: Layout,
  session: Session,
): Promise<string> {
  const { subvolume } = rootFacts(rootFileSystem);
  if (subvolume === undefined) return 'rw';
  await withMountedPartition({ disk, partition: root }, session, async (top) =>
    run(['btrfs', '--quiet', 'subvolume', 'create', join(top, subvolume)]),
  );
  return `rw,subvol=${subvolume}`;
}

/** Debian 12's mkswap cannot write at an offset; all that it writes is one page. */
async function makeSwap(disk: string, swap: NonNullable<Layout['swap']>, scratch: string): Promise<void> {
  const whole = join(scratch, 'swap');
  await using source = await open(whole, 'w+', 0o600);
  await source.truncate(swap.size);
  await run(['mkswap', '--quiet', '--uuid', swap.uuid, '--label', 'ferry-swap', whole]);
  const page = Buffer.alloc(PAGE);
  await source.read(page, 0, PAGE, 0);
  await using target = await open(disk, 'r+');
  await target.write(page, 0, PAGE, swap.start);
}

const KIB = 1024;
const SECTOR = 512;
const PAGE = 4096;

async function configureSystem(root: string, layout: Layout): Promise<void> {
  await writeFile(join(root, 'etc/fstab'), fstab(layout));
  const platform = layout.esp === undefined ? 'i386-pc' : 'x86_64-efi';
  await mkdir(join(root, 'boot/grub'), { recursive: true });
  await mkdir(join(root, 'boot/efi'), { recursive: true });
  await cp(await grubModules(platform), join(root, 'boot/grub', platform), { recursive: true });
  await writeFile(join(root, 'boot/grub/grub.cfg'), grubMenu(layout));
  const script = await readFile(join(import.meta.dirname, 'special-files.sh'));
  await run(['chroot', root, 'sh', '-s'], { input: script });
}

function fstab({ rootUuid, rootFileSystem, swap, esp }: Layout): string {
  const { subvolume } = rootFacts(rootFileSystem);
  const options = rootFileSystem === 'ext4' ? 'errors=remount-ro' : 'defaults';
  const words = subvolume === undefined ? options : `${options},subvol=${subvolume}`;
  const lines = [`UUID=${rootUuid} / ${rootFileSystem} ${words} 0 1`];
  if (swap !== undefined) lines.push(`UUID=${swap.uuid} none swap sw 0 0`);
  if (esp !== undefined) {
    const volumeId = `${esp.serial.slice(0, 4)}-${esp.serial.slice(4)}`.toUpperCase();
    lines.push(`UUID=${volumeId} /boot/efi vfat umask=0077 0 0`);
  }
  return `${lines.join('\n')}\n`;
}

async function installBootLoader(disk: string, layout: Layout, scratch: string): Promise<void> {
  if (layout.esp === undefined) {
    return installBiosGrub(disk, join(scratch, 'core.img'), layout.rootFileSystem);
  }
  const image = `${disk}@@${layout.esp.start}`;
  const program = join(scratch, 'grubx64.efi');
  await makeEfiGrub(program, layout.rootFileSystem);
  const menuPath = join(scratch, 'grub.cfg');
  await writeFile(menuPath, efiMenu(layout));
  await run(['mmd', '-i', image, '::/EFI', '::/EFI/BOOT', '::/EFI/debian', '::/A folder with a long name']);
  await run(['mcopy', '-i', image, program, '::/EFI/BOOT/BOOTX64.EFI']);
  await run(['mcopy', '-i', image, program, '::/EFI/debian/grubx64.efi']);
  await run(['mcopy', '-i', image, menuPath, '::/EFI/debian/grub.cfg']);
  await run(['mcopy', '-i', image, menuPath, '::/A folder with a long name/Fähre, hidden and read-only.txt']);
  await run([
    'mattrib',
    '-i',
    image,
    '+h',
    '+r',
    '::/A folder with a long name/Fähre, hidden and read-only.txt',
  ]);
}
