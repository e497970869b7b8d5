import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import { findLinux } from './find-linux.ts';

const DISK_BYTES = 64 * 1024 * 1024;
const PARTITION_START = 1024 * 1024;
const KERNEL = Buffer.from('a kernel');
/** One of them ends where no other archive may follow. */
const INITRDS = [Buffer.from('microcode'), Buffer.from('an initrd!!!')];

/** A disk with one ext4 partition, which has these files. */
async function makeDisk(session: Session, files: Readonly<Record<string, string | Buffer>>) {
  const [tree, path] = [join(session.folder, 'tree'), join(session.folder, 'disk.raw')];
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(tree, name, '..'), { recursive: true });
    await writeFile(join(tree, name), content);
  }
  await mkdir(tree, { recursive: true });
  await symlink('boot/vmlinuz-6', join(tree, 'vmlinuz'));
  await writeFile(path, '');
  await run(['truncate', `--size=${DISK_BYTES}`, path]);
  await run(['sfdisk', '--quiet', '--no-tell-kernel', path], { input: 'label: dos\nstart=2048, type=83\n' });
  const blocks = `${(DISK_BYTES - PARTITION_START) / 1024}k`;
  await run(['mke2fs', '-q', '-t', 'ext4', '-d', tree, '-E', `offset=${PARTITION_START}`, path, blocks]);
  return { kind: 'image', path, format: 'raw' } as const;
}

const ENTRY = 'linux /vmlinuz root=UUID=1 ro quiet\n initrd /boot/ucode.img /boot/initrd.img-6';
const FILES = {
  'boot/grub/grub.cfg': `menuentry "x" {\n ${ENTRY}\n}\n`,
  'boot/vmlinuz-6': KERNEL,
  'boot/ucode.img': INITRDS[0] ?? '',
  'boot/initrd.img-6': INITRDS[1] ?? '',
};

test('the Linux that a disk starts is found, and the disk stays as it was', async () => {
  await using session = openSession('find-linux');
  const disk = await makeDisk(session, FILES);
  const before = await readFile(disk.path);
  await using inner = openSession('find-linux-attached');
  assert.deepEqual(await findLinux(disk, { session: inner }), {
    name: '/vmlinuz',
    kernel: KERNEL,
    initrd: Buffer.from('microcode\0\0\0an initrd!!!'),
    commandLine: 'root=UUID=1 ro quiet',
  });
  await inner[Symbol.asyncDispose]();
  assert.ok((await readFile(disk.path)).equals(before));
});

test('a loader entry counts where there is no menu, and the newest first', async () => {
  await using session = openSession('find-linux');
  const entry = (version: string): string =>
    `linux /boot/vmlinuz-6\ninitrd /boot/ucode.img\noptions root=UUID=1 v=${version}\n`;
  const { 'boot/grub/grub.cfg': _, ...rest } = FILES;
  const entries = {
    'boot/loader/entries/id-6.9.conf': entry('6.9'),
    'boot/loader/entries/id-6.10.conf': entry('6.10'),
  };
  const disk = await makeDisk(session, { ...rest, ...entries });
  await using inner = openSession('find-linux-attached');
  assert.equal((await findLinux(disk, { session: inner })).commandLine, 'root=UUID=1 v=6.10');
});

test('a disk whose menu names files that are not there is refused', async () => {
  await using session = openSession('find-linux');
  const { 'boot/initrd.img-6': _, ...rest } = FILES;
  const disk = await makeDisk(session, rest);
  await using inner = openSession('find-linux-attached');
  await assert.rejects(findLinux(disk, { session: inner }), { code: 'LINUX_MISSING' });
});
