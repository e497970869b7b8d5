/**
 * What a guest with device-mapper and md does: copies encrypted volumes, a mirror and a thin pool that the programs of their
 * makers have made, to devices with old data, and has the copies read by these programs.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CopyContext, FileSystem } from '@diskferry/server/file-systems/file-system';
import { recogniseFileSystem } from '@diskferry/server/file-systems/recognise';
import { withInnerDevice } from '@diskferry/server/volumes/inner-device';
import { dumpMetadata, runLvm } from '@diskferry/server/volumes/lvm-tools';
import { withOpenVolume } from '@diskferry/server/volumes/luks-tools';
import { parseVolumeGroup } from '@diskferry/server/volumes/volume-group';
import { rangesOfVolume } from '@diskferry/server/volumes/volume-ranges';
import { type RunResult, run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';

const MIB = 1024 * 1024;
const PASSPHRASE = 'correct horse\nbattery';
const content = randomBytes(2 * MIB);
let mounts = 0;
let files = 0;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function expect(condition: boolean, sentence: string): void {
  if (!condition) throw new Error(sentence);
}

/** A loop device on a new file in memory, with old data at its beginning where asked. */
async function loop(session: Session, size: number, { noisy = false } = {}): Promise<string> {
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

async function withMount<T>(device: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = `/run/mount-${mounts++}`;
  mkdirSync(folder);
  await run(['mount', device, folder]);
  try {
    return await work(folder);
  } finally {
    await run(['umount', folder]);
  }
}

async function makeExt4(device: string): Promise<void> {
  await run(['mke2fs', '-q', '-t', 'ext4', '-L', 'content', device]);
  await withMount(device, (folder) => writeFile(join(folder, 'content'), content));
}

async function expectContent(device: string): Promise<void> {
  await run(['e2fsck', '-f', '-n', device]);
  const read = await withMount(device, (folder) => readFile(join(folder, 'content')));
  expect(read.equals(content), `the file on ${device} reads back differently`);
}

/** Copies to a device with old data, and verifies the copy. */
async function carry(
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

const CHEAP = ['--pbkdf-force-iterations', '4', '--pbkdf-memory', '64', '--pbkdf-parallel', '1'];

async function formatLuks(device: string, ...words: readonly string[]): Promise<void> {
  const format = ['luksFormat', '--batch-mode', ...words, '--key-file', '-', device];
  await run(['cryptsetup', ...format], { input: PASSPHRASE });
}

async function withVolume<T>(
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

async function makeGroup(session: Session, device: string): Promise<void> {
  await runLvm(device, ['pvcreate', device], { session });
  await runLvm(device, ['vgcreate', 'laptop', device], { session });
  for (const [name, extents] of [
    ['swap', '2'],
    ['root', '20'],
  ] as const) {
    const quietly = ['--activate', 'n', '--zero', 'n', '--wipesignatures', 'n'];
    await runLvm(device, ['lvcreate', ...quietly, '-n', name, '-l', extents, 'laptop'], { session });
  }
  await withVolume(session, device, 'root', makeExt4);
  await withVolume(session, device, 'swap', async (path) => void (await run(['mkswap', path])));
}

async function encryptedGroup(): Promise<void> {
  await using session = openSession('luks');
  const source = await loop(session, 128 * MIB);
  const kind = ['--type', 'luks2', '--label', 'laptop disk', '--cipher', 'aes-xts-plain64'];
  await formatLuks(source, ...kind, '--key-size', '256', '--pbkdf', 'argon2id', ...CHEAP);
  await run(
    ['cryptsetup', 'luksAddKey', '--batch-mode', ...CHEAP, '--key-file', '-', source, '/etc/debian_version'],
    { input: PASSPHRASE },
  );
  await withOpenVolume(source, { session, passphrase: PASSPHRASE }, (path) => makeGroup(session, path));

  const locked = await recogniseFileSystem(source, { session });
  expect(locked.how === 'sectors' && /--passphrase-file/.test(locked.notes.join()), locked.notes.join());
  const wrong = await recogniseFileSystem(source, { session, passphrase: 'wrong' });
  expect(wrong.how === 'sectors' && /does not open it/.test(wrong.notes.join()), wrong.notes.join());

  const destination = await loop(session, 160 * MIB, { noisy: true });
  const found = await carry(session, source, destination, PASSPHRASE);
  expect(/1 other passphrases/.test(found.notes.join()), 'the lost passphrase is said');
  expect(/volume group laptop/.test(found.notes.join()), 'the group inside is said');
  const dump = await Promise.all([source, destination].map((path) => run(['cryptsetup', 'luksDump', path])));
  const facts = dump.map(({ stdout }) =>
    stdout.match(/^(UUID|Label|Cipher|\s+cipher|\s+Time|\s+Memory):.*$/gm),
  );
  expect(
    facts[1]?.includes('Label:         \tlaptop disk') || /laptop disk/.test(String(facts[1])),
    String(facts[1]),
  );
  expect(facts[1]?.[0] === facts[0]?.[0], `UUIDs: ${String(facts)}`);
  expect(/Memory: {5}64/.test(dump[1]?.stdout ?? ''), 'the passphrase costs as much as it did');
  const lost = await run(
    ['cryptsetup', 'open', '--test-passphrase', '--key-file', '/etc/debian_version', destination],
    {
      okExitCodes: [0, 2],
    },
  );
  expect(lost.exitCode === 2, 'the other passphrase does not open the copy');
  const [oldKey, newKey] = await Promise.all([source, destination].map(volumeKey));
  expect(oldKey !== newKey, 'the copy has a key of its own');
  await withOpenVolume(destination, { session, passphrase: PASSPHRASE }, async (path) => {
    const report = await runLvm(path, ['lvs', '--noheadings', '--units', 'm', '-o', 'lv_name,lv_size'], {
      session,
    });
    expect(/root +112\.00m\s+swap +8\.00m/.test(report), report);
    await withVolume(session, path, 'root', expectContent);
  });
  say('LUKS2 with LVM inside: copied');
}

async function volumeKey(device: string): Promise<string> {
  const words = ['luksDump', '--dump-master-key', '--batch-mode', '--key-file', '-', device];
  const { stdout } = await run(['cryptsetup', ...words], { input: PASSPHRASE });
  return /MK dump:([\s\S]*)/.exec(stdout)?.[1] ?? '';
}

async function encryptedFileSystem(): Promise<void> {
  await using session = openSession('luks1');
  const source = await loop(session, 64 * MIB);
  await formatLuks(source, '--type', 'luks1', '--pbkdf-force-iterations', '1000', '--hash', 'sha512');
  await withOpenVolume(source, { session, passphrase: PASSPHRASE }, makeExt4);
  const destination = await loop(session, 48 * MIB, { noisy: true });
  await carry(session, source, destination, PASSPHRASE);
  const { stdout } = await run(['cryptsetup', 'luksDump', destination]);
  expect(/Version:\s+1\b/.test(stdout) && /Hash spec:\s+sha512/.test(stdout), stdout);
  await withOpenVolume(destination, { session, passphrase: PASSPHRASE }, expectContent);
  say('LUKS1: copied');
}

const ARRAY = '/dev/md7';

/** Assembles what it can, and works on the array unless mdadm refuses. */
async function withArray(devices: readonly string[], work: () => Promise<void>): Promise<boolean> {
  const { exitCode } = await run(['mdadm', '--assemble', '--run', ARRAY, ...devices], {
    okExitCodes: [0, 1, 2],
  });
  if (exitCode !== 0) return false;
  try {
    await work();
  } finally {
    await run(['mdadm', '--stop', ARRAY]);
  }
  return true;
}

async function mirror(): Promise<void> {
  await using session = openSession('md');
  const legs = [await loop(session, 64 * MIB), await loop(session, 64 * MIB)];
  const create = ['--create', ARRAY, '--run', '--level', '1', '--raid-devices', '2', '--metadata', '1.2'];
  await run(['mdadm', ...create, '--bitmap', 'internal', '--name', 'data', ...legs]);
  await makeExt4(ARRAY);
  await run(['mdadm', '--wait', ARRAY], { okExitCodes: [0, 1] });
  await run(['mdadm', '--stop', ARRAY]);

  const copies: string[] = [];
  for (const leg of legs) {
    const copy = await loop(session, 64 * MIB, { noisy: true });
    const found = await carry(session, leg, copy);
    expect(/one of 2 devices of the mirror/.test(found.notes.join()), found.notes.join());
    copies.push(copy);
  }
  const examined = await Promise.all([legs[0], copies[0]].map((path) => examine(path ?? '')));
  expect(examined[0]?.uuid === examined[1]?.uuid, JSON.stringify(examined));
  const [copy = ''] = copies;
  const isThere = await withArray([copy], async () => {
    await expectContent(ARRAY);
    const { stdout } = await run(['mdadm', '--detail', ARRAY]);
    expect(/State : (clean|active), degraded/.test(stdout), stdout);
  });
  expect(isThere, 'mdadm does not take the copy');
  // Neither two copies nor a copy and an old device may be taken for one mirror.
  for (const others of [copies, [copy, legs[1] ?? '']]) {
    const isTaken = await withArray(others, async () => {
      const { stdout } = await run(['mdadm', '--detail', ARRAY]);
      expect(/State : (clean|active), degraded/.test(stdout) && /Active Devices : 1/.test(stdout), stdout);
      await expectContent(ARRAY);
    });
    say(`with ${others.join(' and ')}: ${isTaken ? 'one is used' : 'refused'}`);
  }
  say('md mirror: copied');
}

async function examine(device: string): Promise<{ uuid: string | undefined }> {
  const { stdout } = await run(['mdadm', '--examine', '--export', device]);
  return { uuid: /MD_UUID=(.*)/.exec(stdout)?.[1] };
}

/** LVM with device-mapper, on one device, without udev. */
function activeLvm(device: string, ...words: readonly [string, ...string[]]): Promise<RunResult> {
  const [program, ...rest] = words;
  const configuration =
    `devices { filter = ["a|^${device}$|", "r|.*|"] use_devicesfile = 0 hints = "none" } ` +
    'activation { udev_sync = 0 udev_rules = 0 monitoring = 0 verify_udev_operations = 1 } backup { backup = 0 archive = 0 }';
  return run([program, '--config', configuration, ...rest]);
}

async function thinPool(): Promise<void> {
  await using session = openSession('thin');
  const source = await loop(session, 128 * MIB);
  await activeLvm(source, 'pvcreate', source);
  await activeLvm(source, 'vgcreate', 'store', source);
  await activeLvm(
    source,
    'lvcreate',
    '--type',
    'thin-pool',
    '-L',
    '80m',
    '-n',
    'pool',
    '--poolmetadatasize',
    '4m',
    'store',
  );
  await activeLvm(source, 'lvcreate', '--thin', '-V', '200m', '-n', 'data', 'store/pool');
  await activeLvm(source, 'lvcreate', '-L', '12m', '-n', 'plain', 'store');
  await makeExt4('/dev/store/data');
  await makeExt4('/dev/store/plain');
  await activeLvm(source, 'vgchange', '-an', 'store');
  const destination = await loop(session, 128 * MIB, { noisy: true });
  await carry(session, source, destination);
  await activeLvm(destination, 'vgchange', '-ay', 'store');
  await expectContent('/dev/store/data');
  await expectContent('/dev/store/plain');
  await activeLvm(destination, 'vgchange', '-an', 'store');
  say('thin pool: copied');
}

await thinPool();
await mirror();
await encryptedGroup();
await encryptedFileSystem();
say('the volumes work');
