import { createHash, randomBytes } from 'node:crypto';
import {
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Workbench } from './test-devices.ts';

/** Streams as user attributes, real owners, and the folder attribute "compressed" honoured (ntfs-3g(8)). */
const RICH_OPTIONS = 'noatime,permissions,streams_interface=xattr,compression,special_files=wsl';

export interface MadeVolume {
  readonly device: string;
  /** The image file behind the device. */
  readonly image: string;
}

/** Makes an NTFS volume and lets `work` fill it. */
export async function makeNtfsVolume(
  bench: Workbench,
  bytes: number,
  work: (folder: string) => Promise<void>,
  { options = [], sectorSize = 512 }: { options?: readonly string[]; sectorSize?: number } = {},
): Promise<MadeVolume> {
  const image = bench.file('source', bytes);
  const device = await bench.loop(image, { sectorSize });
  await run(['mkntfs', '--quiet', '--quick', '--label', 'Größe', ...options, device]);
  const folder = await mountNtfs(bench, device);
  await work(folder);
  await bench.unmount(folder);
  return { device, image };
}

/** Mounts a volume with everything of it visible. */
export async function mountNtfs(bench: Workbench, device: string, more = ''): Promise<string> {
  return bench.mount(device, `${RICH_OPTIONS}${more}`);
}

/** Paths of files that are made by `fillNtfs`, by what is awkward about them. */
export const AWKWARD = {
  'an empty file': 'empty',
  'contents that fit into the file record': 'tiny',
  'contents of a megabyte': 'large',
  'a named stream': 'with streams',
  'a named stream on a folder': 'folder with a stream',
  'a large named stream': 'with streams',
  'a security descriptor of its own': 'private',
  'an owner and a group': 'owned',
  'read-only, hidden and system attributes': 'hidden',
  'not indexed and archive attributes': 'not indexed',
  'a compressed file': 'compressed/text',
  'a folder that compresses': 'compressed',
  'a sparse file of 2 GiB': 'sparse',
  'hard links in two folders': 'linked/two',
  'a short name': 'a long name with a short one.txt',
  'a junction': 'junction',
  'a symbolic link of Windows': 'windows link',
  'a symbolic link of WSL': 'symbolic link',
  'a device node of WSL': 'device',
  'a fifo of WSL': 'fifo',
  'extended attributes': 'with attributes',
  'an object identifier': 'identified',
  'times before 1970': 'old',
  'times after 2038': 'new',
  'times in units of 100 ns': 'tiny',
  'a name of 255 characters': 'n'.repeat(255),
  'a name beyond the basic plane': 'Grüße 🚀 日本語',
  'names that differ in their case': 'Case',
  'a folder of 600 files': 'many/file number 599',
  'a deep folder': 'deep/'.repeat(40) + 'end',
  'an empty folder': 'empty folder',
  'a file in very many pieces': 'pieces',
} as const;

/** Fills a mounted volume with everything that NTFS can hold and ntfs-3g can make. */
export async function fillNtfs(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const set = (name: string, attribute: string, value: string): Promise<unknown> =>
    run(['setfattr', '-h', '-n', attribute, '-v', value, at(name)]);
  for (const name of ['compressed', 'linked', 'many', 'empty folder', 'folder with a stream', 'junction']) {
    await mkdir(at(name));
  }
  await mkdir(at('deep/'.repeat(40)), { recursive: true });
  const plain = [
    'empty',
    'private',
    'owned',
    'hidden',
    'not indexed',
    'old',
    'new',
    'Case',
    'CASE',
    'identified',
  ];
  for (const name of [
    ...plain,
    'with attributes',
    'n'.repeat(255),
    'Grüße 🚀 日本語',
    'deep/'.repeat(40) + 'end',
  ]) {
    await writeFile(at(name), name === 'empty' ? '' : `contents of ${name}`);
  }
  await writeFile(at('tiny'), 'tiny');
  await writeFile(at('large'), randomBytes(1_000_001));
  await writeFile(at('with streams'), 'main');
  await set('with streams', 'user.Zone.Identifier', '[ZoneTransfer] ZoneId=3');
  await set('with streams', 'user.large', `0x${randomBytes(40_000).toString('hex')}`);
  await set('folder with a stream', 'user.stream', 'in a folder');
  await run(['chmod', '0640', at('private')]);
  await run(['chown', '1234:5678', at('owned')]);
  await set('hidden', 'system.ntfs_attrib_be', '0x00000007');
  await set('not indexed', 'system.ntfs_attrib_be', '0x00002020');
  await set('compressed', 'system.ntfs_attrib_be', '0x00000800');
  await writeFile(at('compressed/text'), 'the same words again and again\n'.repeat(20_000));
  await truncate(at('sparse'), 0).catch(() => writeFile(at('sparse'), ''));
  await truncate(at('sparse'), 2 ** 31);
  const sparse = await open(at('sparse'), 'r+');
  await sparse.write('in the middle of nothing', 2 ** 30);
  await sparse.close();
  await writeFile(at('linked/one'), 'linked');
  await rename(at('linked/one'), at('linked one'));
  await link(at('linked one'), at('linked/two'));
  await writeFile(at('a long name with a short one.txt'), 'short');
  await set('a long name with a short one.txt', 'system.ntfs_dos_name', 'SHORT~7.TXT');
  await set('with attributes', 'system.ntfs_ea', extendedAttribute('TEST', 'value of it'));
  await set('identified', 'system.ntfs_object_id', `0x${'0123456789abcdef'.repeat(2)}`);
  await set('old', 'system.ntfs_times_be', times(1_000_000_001n));
  await set('new', 'system.ntfs_times_be', times(150_000_000_000_000_001n));
  await set('tiny', 'system.ntfs_times_be', times(130_000_000_000_000_007n));
  await symlink('tiny', at('symbolic link'));
  await run(['mkfifo', at('fifo')]);
  await run(['mknod', at('device'), 'c', '1', '3']);
  await writeFile(at('windows link'), '');
  await set('windows link', 'system.ntfs_reparse_data', reparsePoint(0xa000000c, 'C:\\Windows', 4));
  await set('junction', 'system.ntfs_reparse_data', reparsePoint(0xa0000003, 'C:\\Users', 0));
  for (let number = 0; number < 600; number++) await writeFile(at(`many/file number ${number}`), `${number}`);
  await makePieces(folder);
}

/** Fills the volume with small files, deletes every second one, and writes a large one into the gaps. */
async function makePieces(folder: string): Promise<void> {
  const filler = join(folder, 'filler');
  await mkdir(filler);
  const content = randomBytes(32_768);
  let count = 0;
  try {
    for (; ; count++) await writeFile(join(filler, String(count)), content);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  for (let number = 0; number <= count; number += 2) await rm(join(filler, String(number)));
  await writeFile(join(folder, 'pieces'), randomBytes((count / 4) * 32_768));
  await rm(filler, { recursive: true });
}

/** Creation, change of contents, access: in 100 ns since 1601. */
function times(first: bigint): string {
  return `0x${[first, first + 10n, first + 20n].map((time) => time.toString(16).padStart(16, '0')).join('')}`;
}

/** FILE_FULL_EA_INFORMATION with one entry. */
function extendedAttribute(name: string, value: string): string {
  const length = Math.ceil((8 + name.length + 1 + value.length) / 4) * 4;
  const entry = Buffer.alloc(length);
  entry.writeUInt32LE(length, 0);
  entry.writeUInt8(name.length, 5);
  entry.writeUInt16LE(value.length, 6);
  entry.write(name, 8, 'latin1');
  entry.write(value, 8 + name.length + 1, 'latin1');
  return `0x${entry.toString('hex')}`;
}

/** REPARSE_DATA_BUFFER of a mount point or symbolic link; a link has 4 bytes of flags before its names. */
function reparsePoint(tag: number, target: string, flagBytes: number): string {
  const [substitute, print] = [Buffer.from(`\\??\\${target}`, 'utf16le'), Buffer.from(target, 'utf16le')];
  const names = Buffer.concat([substitute, Buffer.alloc(2), print, Buffer.alloc(2)]);
  const head = Buffer.alloc(16 + flagBytes);
  head.writeUInt32LE(tag, 0);
  head.writeUInt16LE(8 + flagBytes + names.length, 4);
  head.writeUInt16LE(substitute.length, 10);
  head.writeUInt16LE(substitute.length + 2, 12);
  head.writeUInt16LE(print.length, 14);
  return `0x${Buffer.concat([head, names]).toString('hex')}`;
}

/** What ntfs-3g tells of a file besides its contents. */
const HIDDEN_ATTRIBUTES = [
  'system.ntfs_acl',
  'system.ntfs_attrib_be',
  'system.ntfs_times_be',
  'system.ntfs_crtime_be',
  'system.ntfs_object_id',
  'system.ntfs_reparse_data',
  'system.ntfs_dos_name',
  'system.ntfs_ea',
];

/** Everything that ntfs-3g sees on a mounted volume, as lines of text. */
export async function describeNtfs(folder: string): Promise<string[]> {
  const lines: string[] = [];
  const { stdout } = await run(['find', '.', '-printf', '%p %y %m %U %G %i %n %s %b %T@ %A@ %l\\n'], {
    cwd: folder,
  });
  lines.push(...stdout.split('\n'));
  for (const name of HIDDEN_ATTRIBUTES) lines.push(...(await readAttribute(folder, ['-n', name])));
  lines.push(...(await readAttribute(folder, ['-d', '-m', '-'])));
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    // Two gigabytes of nothing take long to read through ntfs-3g.
    const content = entry.name === 'sparse' ? await readMiddle(path) : await readFile(path);
    lines.push(`${path.slice(folder.length)} ${createHash('sha256').update(content).digest('hex')}`);
  }
  // Where a volume is mounted stands in the targets of links.
  return lines.map((line) => line.replaceAll(folder, '')).sort();
}

async function readAttribute(folder: string, which: readonly string[]): Promise<string[]> {
  const command = ['getfattr', '-R', '-P', '-h', '-e', 'hex', ...which, '.'] as const;
  // A file without that attribute is no failure.
  const { stdout } = await run(command, { cwd: folder, okExitCodes: [0, 1] });
  return stdout.split('\n\n').map((entry) => entry.replaceAll('\n', ' '));
}

async function readMiddle(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  const content = Buffer.alloc(128 * 1024);
  await file.read(content, 0, content.length, 2 ** 30 - 64 * 1024);
  await file.close();
  return content;
}
