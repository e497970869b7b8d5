/** What programs of guests need to make volumes, to copy them and to look at the copies. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CopyContext, FileSystem } from '@diskferry/server/file-systems/file-system';
import { recogniseFileSystem } from '@diskferry/server/file-systems/recognise';
import { withInnerDevice } from '@diskferry/server/volumes/inner-device';
import { dumpMetadata } from '@diskferry/server/volumes/lvm-tools';
import { parseVolumeGroup } from '@diskferry/server/volumes/volume-group';
import { rangesOfVolume } from '@diskferry/server/volumes/volume-ranges';
import { type RunResult, run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

export const MIB = 1024 * 1024;
/** The file on every volume. */
export const content = randomBytes(2 * MIB);
let mounts = 0;
let files = 0;

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function expect(condition: boolean, sentence: string): void {
  if (!condition) throw new Error(sentence);
}

/** A loop device on a new file in memory, with old data at its beginning where asked. */
export async function loop(session: Session, size: number, { noisy = false } = {}): Promise<string> {
  const path = `/run/disk-${files++}`;
  session.hold({ kind: 'file', path });
  const file = await open(path, 'w');
  await truncate(path, size);
  if (noisy) await file.write(randomBytes(MIB), 0, MIB, 40 * MIB);
  await file.close();
  session.hold({ kind: 'loop', backing: path });
  const { stdout } = await run(['losetup', '--find', '--show', path]);
  const device = stdout.trim();
  if (noisy) await run(['mke2fs', '-q', '-F', '-t', 'ext4', device]);
  return device;
}

export async function withMount<T>(device: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = `/run/mount-${mounts++}`;
  mkdirSync(folder);
  await run(['mount', device, folder]);
  try {
    return await work(folder);
  } finally {
    await run(['umount', folder]);
  }
}

export async function makeExt4(device: string): Promise<void> {
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', 'content', device]);
  await withMount(device, (folder) => writeFile(join(folder, 'content'), content));
}

export async function expectContent(device: string): Promise<void> {
  await run(['e2fsck', '-f', '-n', device]);
  const read = await withMount(device, (folder) => readFile(join(folder, 'content')));
  expect(read.equals(content), `the file on ${device} reads back differently`);
}

/** Copies to a device with old data, and verifies the copy. */
export async function carry(
  session: Session,
  source: string,
  destination: string,
  passphrase?: string,
): Promise<FileSystem> {
  const warnings: string[] = [];
  const context: CopyContext = {
    session,
    zeroed: false,
    onProgress: () => {},
    warn: (message) => warnings.push(message),
  };
  const fileSystem = await recogniseFileSystem(source, { session, passphrase });
  say(fileSystem.notes.join('\n'));
  expect(fileSystem.how === 'files', `it is copied as ${fileSystem.how}`);
  await fileSystem.create(destination, context);
  await fileSystem.copy(source, destination, context);
  const differences = await fileSystem.verify(source, destination, context);
  expect(differences.length === 0, JSON.stringify(differences));
  expect(warnings.length === 0, warnings.join());
  return fileSystem;
}

export async function withVolume<T>(
  session: Session,
  device: string,
  name: string,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const group = parseVolumeGroup(await dumpMetadata(device, { session }));
  const volume = group.volumes.find((volume) => volume.name === name);
  if (volume === undefined) throw new Error(`there is no volume ${name}`);
  return withInnerDevice(device, rangesOfVolume(group, volume), { session }, work);
}

/** LVM with device-mapper, on one device, without udev. */
export function activeLvm(device: string, ...words: readonly [string, ...string[]]): Promise<RunResult> {
  const [program, ...rest] = words;
  const configuration =
    `devices { filter = ["a|^${device}$|", "r|.*|"] use_devicesfile = 0 hints = "none" } ` +
    'activation { udev_sync = 0 udev_rules = 0 monitoring = 0 verify_udev_operations = 1 } backup { backup = 0 archive = 0 }';
  return run([program, '--config', configuration, ...rest]);
}
