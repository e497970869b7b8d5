import { rm } from 'node:fs/promises';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { type Contender, compare, table } from './measure.ts';
import { startImagingClient } from './servers.ts';
import { attachFileSystem, makeSourceDisk, withMounted, writeSmallFiles } from './source-disks.ts';
import { beside, captureInto } from './transfer.ts';

const DISK_BYTES = 4 * 1024 ** 3;
const FILES = Number(process.env['DISKFERRY_BENCH_FILES'] ?? 100_000);
/** Our speed divided by that of rsync from one local disk to another. */
const TARGET = 1 / 1.5;

/**
 * How long many small files take: a capture over NBD into an image, against rsync between two local ext4, with its
 * unmounting. Both read from the page cache of the disk's file.
 */
export async function benchSmallFiles(session: Session): Promise<string> {
  const disk = await makeSourceDisk(session, {
    name: 'small-files',
    bytes: DISK_BYTES,
    fill: (folder) => writeSmallFiles(folder, FILES),
  });
  const client = await startImagingClient(disk.path, session);
  const image = beside(session, disk.path, 'qcow2');
  const copy = beside(session, disk.path, 'copy.raw');
  const results = await compare([
    { name: 'diskferry capture, over NBD into qcow2', run: () => captureInto(image, client.uri) },
    rsync(session, await attachFileSystem(session, disk), copy),
  ]);
  return table(`${FILES} small files`, { amount: FILES, unit: 'operations' }, results);
}

function rsync(session: Session, source: string, copy: string): Contender {
  return {
    name: 'rsync from one local disk to another',
    target: TARGET,
    run: async () => {
      await rm(copy, { force: true });
      await run(['truncate', '--size', String(DISK_BYTES), copy]);
      session.hold({ kind: 'loop', backing: copy });
      const { stdout } = await run(['losetup', '--find', '--show', copy]);
      const destination = stdout.trim();
      await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-E', 'lazy_journal_init=1', destination]);
      let seconds = 0;
      await withMounted(session, source, 'ro,noatime', async (from) => {
        const begin = performance.now();
        await withMounted(session, destination, 'noatime,noinit_itable', (to) =>
          run([
            'rsync',
            '--archive',
            '--hard-links',
            '--acls',
            '--xattrs',
            '--numeric-ids',
            `${from}/`,
            `${to}/`,
          ]),
        );
        seconds = (performance.now() - begin) / 1000;
      });
      await session.release({ kind: 'loop', backing: copy });
      return seconds;
    },
  };
}
