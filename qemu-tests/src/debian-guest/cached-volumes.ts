/**
 * What a guest with dm-cache does: has the kernel cache volumes, copies them with what only their caches have, and has LVM
 * read the copies.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readAt, sizeOfDevice, withDevice } from '@diskferry/server/file-systems/block-device';
import { type RunResult, run } from '@diskferry/system/run';
import { openSession } from '@diskferry/system/session';
import {
  activeLvm,
  carry,
  content,
  expect,
  expectContent,
  loop,
  MIB,
  say,
  withMount,
  withVolume,
} from './volume-tools.ts';

/** Two caches that are written to the origins late, with blocks that are not written there yet. */
async function cachedVolumes(): Promise<void> {
  await using session = openSession('cache');
  const source = await loop(session, 160 * MIB);
  const lvm = (...words: readonly [string, ...string[]]): Promise<RunResult> => activeLvm(source, ...words);
  await lvm('pvcreate', source);
  await lvm('vgcreate', 'store', source);
  for (const name of ['data', 'more']) {
    await lvm('lvcreate', '--yes', '-L', '40m', '--addtag', 'keep', '-n', name, 'store');
    await run(['mke2fs', '-q', '-t', 'ext4', `/dev/store/${name}`]);
  }
  const late = ['--cachemode', 'writeback', '--chunksize', '64k'];
  await lvm('lvcreate', '--yes', '-L', '20m', '-n', 'fast', 'store');
  await lvm('lvconvert', '--yes', '--type', 'cache', '--cachevol', 'fast', ...late, 'store/data');
  const pool = ['-L', '16m', '--poolmetadatasize', '8m', '-n', 'pool'];
  await lvm('lvcreate', '--yes', '--type', 'cache-pool', '--cachemetadataformat', '1', ...pool, 'store');
  await lvm('lvconvert', '--yes', '--type', 'cache', '--cachepool', 'pool', ...late, 'store/more');
  for (const name of ['data', 'more']) {
    // An idle cache writes nothing back.
    await run(['dmsetup', 'message', `store-${name}`, '0', 'migration_threshold 0']);
    await withMount(`/dev/store/${name}`, (folder) => writeFile(join(folder, 'content'), content));
    await run(['sync']);
    const { stdout } = await lvm('lvs', '--noheadings', '-o', 'cache_dirty_blocks', `store/${name}`);
    say(`${name} has ${stdout.trim()} blocks in its cache alone`);
    expect(Number(stdout) > 0, stdout);
  }
  // The disk of a computer that stops now.
  const cut = await loop(session, 160 * MIB);
  await run(['dd', `if=${source}`, `of=${cut}`, 'bs=1M', 'iflag=direct', 'oflag=direct', 'status=none']);
  await lvm('vgchange', '-an', 'store');

  // Closing the caches has not written their blocks back.
  for (const origin of ['data_corig', 'more_corig']) {
    const hasContent = await withVolume(session, source, origin, async (path) => {
      const bytes = await withDevice(path, 'read', async (file) => readAt(file, 0, await sizeOfDevice(path)));
      return bytes.includes(content.subarray(0, MIB));
    });
    expect(!hasContent, `${origin} has the file already`);
  }
  for (const from of [source, cut]) {
    // No room for caches.
    const destination = await loop(session, 100 * MIB, { noisy: true });
    const found = await carry(session, from, destination);
    const notes = found.notes.join();
    expect(/volume data loses its cache \(writeback, 12\.6 MB\)/.test(notes), notes);
    expect(/volume more loses its cache \(writeback, 16\.8 MB\)/.test(notes), notes);
    const inspect = (...words: readonly [string, ...string[]]): Promise<RunResult> =>
      activeLvm(destination, ...words);
    const { stdout } = await inspect('lvs', '--all', '--noheadings', '-o', 'lv_name,lv_tags,lv_layout');
    expect(/^\s*data\s+keep\s+linear\s+more\s+keep\s+linear\s*$/.test(stdout), stdout);
    await inspect('vgchange', '-ay', 'store');
    await expectContent('/dev/store/data');
    await expectContent('/dev/store/more');
    await inspect('lvcreate', '--yes', '-L', '12m', '-n', 'fast', 'store');
    await inspect('lvconvert', '--yes', '--type', 'cache', '--cachevol', 'fast', 'store/data');
    await expectContent('/dev/store/data');
    await inspect('vgchange', '-an', 'store');
  }
  say('cached volumes: copied');
}

await cachedVolumes();
say('the cached volumes work');
