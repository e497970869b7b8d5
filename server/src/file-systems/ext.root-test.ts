import assert from 'node:assert/strict';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { recogniseFileSystem } from './recognise.ts';
import { openWorkbench } from './test-devices.ts';

const MIB = 1024 * 1024;

/** Options of mke2fs and then of tune2fs for file systems as they are found in the wild. */
const VARIANTS: Readonly<
  Record<string, { mke2fs: string; tune2fs?: string; size?: number; how?: 'sectors' }>
> = {
  'ext2 with blocks of 1 KiB': { mke2fs: '-t ext2 -b 1024' },
  'ext2 of revision 0': { mke2fs: '-t ext2 -r 0 -O none' },
  'ext3 with blocks of 1 KiB and small inodes': { mke2fs: '-t ext3 -b 1024 -I 128' },
  'ext3 with blocks of 4 KiB': { mke2fs: '-t ext3 -b 4096' },
  'ext4 as Debian makes it': { mke2fs: '-t ext4' },
  'ext4 of 3 GB': { mke2fs: '-t ext4', size: 3000 * MIB },
  'ext4 with blocks of 1 KiB without metadata checksums': {
    mke2fs: '-t ext4 -b 1024 -O ^metadata_csum,uninit_bg',
  },
  'ext4 without journal': { mke2fs: '-t ext4 -O ^has_journal' },
  'ext4 with bigalloc': { mke2fs: '-t ext4 -O bigalloc -C 65536' },
  'ext4 with inline data and extended attribute inodes': {
    mke2fs: '-t ext4 -O inline_data,ea_inode,large_dir',
  },
  'ext4 with the newest features': {
    mke2fs: '-t ext4 -O metadata_csum_seed,orphan_file,fast_commit,stable_inodes',
  },
  'ext4 with meta_bg': { mke2fs: '-t ext4 -O meta_bg,^resize_inode' },
  'ext4 with sparse_super2': { mke2fs: '-t ext4 -O sparse_super2,^resize_inode' },
  'ext4 with multiple mount protection': { mke2fs: '-t ext4 -O mmp -E mmp_update_interval=1' },
  'ext4 with unusual sizes': {
    mke2fs:
      '-t ext4 -b 4096 -g 16384 -G 4 -N 5000 -J size=5 -E resize=10G,stride=16,stripe_width=64,root_owner=5:6 -m 1.37',
  },
  'ext4 with every setting changed': {
    mke2fs: '-t ext4',
    tune2fs:
      '-c 37 -C 5 -e panic -i 3d -r 1234 -u 33 -g 44 -o journal_data,nobarrier -M /srv -E hash_alg=tea,mount_opts=lazytime -T 20200102',
  },
  'ext4 with casefold': { mke2fs: '-t ext4 -O casefold', how: 'sectors' },
  'ext4 with encryption': { mke2fs: '-t ext4 -O encrypt', how: 'sectors' },
};

for (const [name, { mke2fs, tune2fs, size = 200 * MIB, how = 'files' }] of Object.entries(VARIANTS)) {
  test(`the twin of an ${name} has the same superblock, before and after the copy`, async (t) => {
    const bench = openWorkbench(t);
    const source = await bench.loop(bench.file('source', size));
    await run(['mke2fs', '-F', '-q', '-L', 'a label', ...mke2fs.split(' '), source]);
    if (tune2fs !== undefined) await run(['tune2fs', ...tune2fs.split(' '), source]);
    const destination = await bench.loop(bench.file('destination', size));

    const fileSystem = await recogniseFileSystem(source, { session: bench.session });
    assert.equal(fileSystem.how, how, fileSystem.notes.join());
    if (how === 'sectors') return;
    const before = await facts(source);
    await fileSystem.create(destination, bench.context);
    assert.deepEqual(await facts(destination), before);
    await fileSystem.copy(source, destination, bench.context);

    assert.deepEqual(bench.warnings, []);
    assert.deepEqual(await facts(destination), before);
    await run(['e2fsck', '-f', '-n', destination]);
  });
}

/** All that dumpe2fs knows, but what says how full it is, how much was ever written, and checksums. */
async function facts(device: string): Promise<string[]> {
  const { stdout } = await run(['dumpe2fs', '-h', device]);
  const volatile =
    /^(Free | {4}mmp_|Checksum:|Journal checksum|Lifetime writes|Last write time|Journal (sequence|start|features))/;
  return stdout.split('\n').filter((line) => !volatile.test(line));
}
