/**
 * What a guest with device-mapper and md does: copies encrypted volumes, a mirror and a thin pool that the programs of their
 * makers have made, to devices with old data, and has the copies read by these programs.
 */
import { recogniseFileSystem } from '@diskferry/server/file-systems/recognise';
import { runLvm } from '@diskferry/server/volumes/lvm-tools';
import { withOpenVolume } from '@diskferry/server/volumes/luks-tools';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import {
  activeLvm,
  carry,
  expect,
  expectContent,
  loop,
  makeExt4,
  MIB,
  say,
  withVolume,
} from './volume-tools.ts';

const PASSPHRASE = 'correct horse\nbattery';

const CHEAP = ['--pbkdf-force-iterations', '4', '--pbkdf-memory', '64', '--pbkdf-parallel', '1'];

async function formatLuks(device: string, ...words: readonly string[]): Promise<void> {
  const format = ['luksFormat', '--batch-mode', ...words, '--key-file', '-', device];
  await run(['cryptsetup', ...format], { input: PASSPHRASE });
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
