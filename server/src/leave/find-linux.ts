import type { Session } from '@diskferry/system/session';
import type { DiskSource } from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import { RefusedError } from '../refused-error.ts';
import { type BootFiles, withBootFiles } from './boot-files.ts';
import { type BootEntry, readGrubConfiguration, readLoaderEntry } from './boot-entry.ts';

/** On a volume for the system or for /boot alone, and in the subvolumes that Debian, Ubuntu and Fedora make. */
const BOOT_FOLDERS = ['/boot', '', '/@rootfs/boot', '/@/boot', '/root/boot'];
const GRUB_CONFIGURATIONS = ['grub/grub.cfg', 'grub2/grub.cfg'];
const LOADER_ENTRIES = 'loader/entries';
/** The kernel looks for the next archive of an initrd at a multiple of this. */
const ARCHIVE_ALIGNMENT = 4;

/** A Linux of a disk, ready to be started. */
export interface FoundLinux {
  /** Its path, for people. */
  readonly name: string;
  readonly kernel: Buffer;
  readonly initrd: Buffer;
  readonly commandLine: string;
}

/**
 * Finds the Linux that a disk would start by itself: its boot loader's configuration is read with this server's own file system
 * drivers, and nothing is written.
 *
 * @throws {RefusedError} `LINUX_MISSING`
 * @throws {DiskferryError} as attachDisk
 */
export async function findLinux(
  source: DiskSource,
  { session, signal }: { readonly session: Session; readonly signal?: AbortSignal | undefined },
): Promise<FoundLinux> {
  const disk = await attachDisk(source, { session, signal, mode: 'copy-on-write' });
  const { partitions } = await disk.readPartitionTable();
  for (const partition of partitions.filter(({ role }) => role !== 'extended')) {
    signal?.throwIfAborted();
    const device = await disk.attachPartition(partition);
    const { type } = await recogniseFileSystem(device);
    const found = await withBootFiles({ device, type }, session, linuxIn);
    if (found !== undefined) return found;
  }
  throw new RefusedError(
    'LINUX_MISSING',
    'no partition of that disk has a GRUB configuration or a loader entry that names a Linux and its initrd in full ' +
      '(looked for in /boot and at the top); leave by a restart instead',
  );
}

async function linuxIn(files: BootFiles): Promise<FoundLinux | undefined> {
  for (const folder of BOOT_FOLDERS) {
    for (const entry of await entriesIn(files, folder)) {
      const [kernel, ...initrds] = await Promise.all(
        [entry.kernel, ...entry.initrds].map(async (path) => files.read(path)),
      );
      const read = initrds.filter((bytes) => bytes !== undefined);
      if (kernel === undefined || read.length < initrds.length) continue;
      return { name: entry.kernel, kernel, initrd: joinArchives(read), commandLine: entry.commandLine };
    }
  }
  return undefined;
}

/** What starts without a choice comes first. */
async function entriesIn(files: BootFiles, folder: string): Promise<BootEntry[]> {
  const names = (await files.list(`${folder}/${LOADER_ENTRIES}`)).filter((name) => name.endsWith('.conf'));
  const newestFirst = names.toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const entries = [
    ...GRUB_CONFIGURATIONS.map((path) => ({ path: `${folder}/${path}`, understand: readGrubConfiguration })),
    ...newestFirst.map((name) => ({
      path: `${folder}/${LOADER_ENTRIES}/${name}`,
      understand: readLoaderEntry,
    })),
  ];
  const found: BootEntry[] = [];
  for (const { path, understand } of entries) {
    const entry = understand((await files.read(path))?.toString('utf8') ?? '');
    if (entry !== undefined) found.push(entry);
  }
  return found;
}

function joinArchives(archives: readonly Buffer[]): Buffer {
  return Buffer.concat(
    archives.flatMap((bytes) => {
      const rest = bytes.length % ARCHIVE_ALIGNMENT;
      return rest === 0 ? [bytes] : [bytes, Buffer.alloc(ARCHIVE_ALIGNMENT - rest)];
    }),
  );
}
