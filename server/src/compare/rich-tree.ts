import { link, mkdir, open, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Command, run } from '@diskferry/system/run';

/** What not every file system can hold. */
export interface RichTreeOptions {
  /** Flags of chattr, such as "immutable". */
  readonly inodeFlags?: boolean;
  /** A sparse file of almost 1 TiB; ext2 and ext3 with blocks of 1 KiB end at 16 GiB. */
  readonly hugeFile?: boolean;
  /** Minor device numbers of 20 bits; XFS has 18. */
  readonly largeDeviceNumbers?: boolean;
}

/** A name that is not UTF-8, one with a newline and a backslash, and one as long as names can be. */
export const STRANGE_NAMES = {
  notUtf8: Buffer.from('not-\xff\xfe-utf8', 'latin1'),
  newline: Buffer.from('two\nlines\\and "quotes" = #', 'latin1'),
  long: Buffer.alloc(255, 'n'),
} as const;

const TERABYTE = 1024 ** 4;
const EARLY = '1999-12-31 23:59:59.123456789';
const LATE = '2038-01-20 03:14:08.987654321';

/** Fills a folder, best the root of a file system, with every kind of file and attribute that a copy has to keep. */
export async function makeRichTree(
  folder: string,
  { inodeFlags = true, hugeFile = true, largeDeviceNumbers = true }: RichTreeOptions = {},
): Promise<void> {
  const at = (...parts: string[]): string => join(folder, ...parts);
  await makeFiles(folder, at);
  if (hugeFile) await makeSparseFile(at('sparse of one terabyte'), TERABYTE - 4096, [300 * 1024 ** 3]);
  await makeSpecialFiles(at, largeDeviceNumbers ? 2 ** 20 - 1 : 2 ** 18 - 1);
  await makeAttributes(at);
  await makeTimes(folder, at);
  if (inodeFlags) await makeInodeFlags(at);
}

type At = (...parts: string[]) => string;

async function makeFiles(folder: string, at: At): Promise<void> {
  await mkdir(at('folder', 'deep', 'deeper'), { recursive: true });
  await mkdir(at('empty folder'));
  await writeFile(at('plain'), 'plain contents\n');
  await writeFile(at('empty'), '');
  await writeFile(at('zeros that are data'), Buffer.alloc(64 * 1024));
  await writeFile(at('folder', 'deep', 'deeper', 'large'), patternOf(3 * 1024 * 1024 + 17));
  for (const name of Object.values(STRANGE_NAMES)) {
    await writeFile(Buffer.concat([Buffer.from(`${folder}/`), name]), 'strange');
  }
  for (let number = 0; number < 300; number++) {
    await writeFile(at('folder', 'deep', `one of many files, number ${number}`), `${number}`);
  }
  await link(at('plain'), at('folder', 'hard link'));
  for (const name of ['linked one', 'alone one', 'alone two']) await writeFile(at(name), 'same contents');
  await link(at('linked one'), at('linked two'));
  await makeSparseFile(at('sparse'), 512 * 1024, [0, 128 * 1024, 508 * 1024]);
  await makeSparseFile(at('only a hole'), 1024 * 1024, []);
  await run(['chown', '1234:56789', at('plain')]);
  for (const [name, mode] of Object.entries({
    setuid: '4755',
    setgid: '2710',
    sticky: '1777',
    closed: '0000',
  })) {
    await writeFile(at(name), name);
    await run(['chown', '1:2', at(name)]);
    await run(['chmod', mode, at(name)]);
  }
  await run(['chmod', '2775', at('folder')]);
}

async function makeSparseFile(path: string, size: number, dataAt: readonly number[]): Promise<void> {
  const file = await open(path, 'w');
  await file.truncate(size);
  for (const offset of dataAt) await file.write(patternOf(4096), 0, 4096, offset);
  await file.close();
}

function patternOf(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
}

async function makeSpecialFiles(at: At, minor: number): Promise<void> {
  await symlink('plain', at('symbolic link'));
  await symlink('/nowhere/at all', at('folder', 'broken link'));
  await symlink('l'.repeat(1000), at('long link'));
  await run(['chown', '--no-dereference', '77:88', at('symbolic link')]);
  await link(at('symbolic link'), at('hard link to symbolic link'));
  await run(['mkfifo', '--mode=0640', at('fifo')]);
  await run(['mknod', '--mode=0600', at('block device'), 'b', '259', String(minor)]);
  await run(['mknod', '--mode=0666', at('character device'), 'c', '1', '3']);
  await makeSocket(at('socket'));
}

/** The socket's own name goes when its server closes; another link of it stays. */
async function makeSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(`${path}.tmp`, resolve);
  });
  await link(`${path}.tmp`, path);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  await rm(`${path}.tmp`, { force: true });
}

/** Attributes of each name space, on each kind of file that can have them. */
const ATTRIBUTES: readonly (readonly [file: string, name: string, value: string])[] = [
  ['plain', 'user.text', 'text'],
  ['plain', 'user.empty', '""'],
  ['plain', 'user.with = sign', '0x00ff0a3d'],
  ['plain', 'trusted.secret', '0xdeadbeef'],
  ['plain', 'security.selinux', 'system_u:object_r:etc_t:s0'],
  ['plain', 'security.evm', '0x0201'],
  ['plain', 'security.ima', '0x0404'],
  ['folder', 'user.text', 'on a folder'],
  ['folder', 'security.selinux', 'system_u:object_r:dir_t:s0'],
  ['symbolic link', 'trusted.secret', 'on a link'],
  ['symbolic link', 'security.selinux', 'system_u:object_r:link_t:s0'],
  ['fifo', 'trusted.secret', 'on a fifo'],
  ['block device', 'trusted.secret', 'on a device'],
  ['socket', 'security.selinux', 'system_u:object_r:socket_t:s0'],
  ['.', 'user.root', 'on the root folder'],
];

async function makeAttributes(at: At): Promise<void> {
  for (const [file, name, value] of ATTRIBUTES) {
    await run(['setfattr', '-h', '-n', name, '-v', value, at(file)]);
  }
  await writeFile(at('capable'), 'program');
  await run(['setfattr', '-n', 'security.capability', '-v', CAP_NET_RAW, at('capable')]);
  await writeFile(at('listed'), 'access control list');
  await run(['setfacl', '-m', 'u:1001:rwx,g:1002:r,m::rx', at('listed')]);
  await run(['setfacl', '-m', 'u:1003:rx,d:u:1004:rwx,d:g:1005:r', at('folder', 'deep')]);
}

/** CAP_NET_RAW, effective and permitted: struct vfs_cap_data of revision 2, include/uapi/linux/capability.h. */
const CAP_NET_RAW = '0x0100000200200000000000000000000000000000';

async function makeTimes(folder: string, at: At): Promise<void> {
  const names = [
    'plain',
    'symbolic link',
    'fifo',
    'socket',
    'block device',
    'folder/deep',
    'folder',
    'sparse',
    'alone one',
    'alone two',
    '.',
  ];
  for (const name of names) await setTimes(at(name), EARLY, LATE);
  const strange = Buffer.concat([Buffer.from(`${folder}/`), STRANGE_NAMES.notUtf8, Buffer.alloc(1)]);
  await run(['xargs', '-0', 'touch', '--date', EARLY], { input: strange });
}

async function setTimes(path: string, modification: string, access: string): Promise<void> {
  const touch = (option: string, time: string): Command => [
    'touch',
    '--no-dereference',
    option,
    '--date',
    time,
    path,
  ];
  await run(touch('-m', modification));
  await run(touch('-a', access));
}

async function makeInodeFlags(at: At): Promise<void> {
  await writeFile(at('immutable'), 'immutable');
  await writeFile(at('append only'), 'append only');
  await mkdir(at('immutable folder'));
  await writeFile(at('immutable folder', 'inside'), 'inside');
  await run(['chattr', '+i', at('immutable'), at('immutable folder')]);
  await run(['chattr', '+a', at('append only')]);
  await run(['chattr', '+dAS', at('empty')]);
  await run(['chattr', '+D', at('empty folder')]);
}
