import { rm } from 'node:fs/promises';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { compare, table } from './measure.ts';
import { startImagingClient } from './servers.ts';
import { attachNbdfuse } from './simulated-disk-read.ts';
import { attachFileSystem, makeSourceDisk, withMounted, writeMixedFiles } from './source-disks.ts';
import { allocatedBytes, beside, captureInto } from './transfer.ts';

const GIB = 1024 ** 3;
const DISK_BYTES = 6 * GIB;
const FILE_BYTES = GIB;
const JUNK_BYTES = 2 * GIB;
/** Our speed divided by that of partclone and zstd. */
const BLOCKS_TARGET = 1;
const FILES_TARGET = 1 / 1.5;
/** Of our image, against that of qemu-img from the trimmed disk. */
const MAX_IMAGE_RATIO = 1.05;
const PARTITION_OFFSET = 1024 * 1024;

/**
 * How long a capture takes in the modes `blocks` and `files`, against `partclone.extfs | zstd` on the same disk, served by
 * the same imaging client and attached with nbdfuse and a loop device. And how large the images are.
 */
export async function benchBlocksAndFiles(mode: 'blocks' | 'files', session: Session): Promise<string> {
  const disk = await makeSourceDisk(session, {
    name: mode,
    bytes: DISK_BYTES,
    fill: (folder) => writeMixedFiles(folder, FILE_BYTES, JUNK_BYTES),
  });
  const client = await startImagingClient(disk.path, session);
  const served = await attachNbdfuse(client.uri, disk.bytes, session, PARTITION_OFFSET);
  const image = beside(session, disk.path, 'qcow2');
  const archive = beside(session, disk.path, 'zst');
  const results = await compare([
    {
      name: `diskferry capture --mode ${mode}, into qcow2`,
      run: () => captureInto(image, client.uri, ['--mode', mode]),
    },
    {
      name: 'partclone.extfs piped to zstd',
      target: mode === 'blocks' ? BLOCKS_TARGET : FILES_TARGET,
      run: async () => {
        await rm(archive, { force: true });
        await run(['blockdev', '--flushbufs', served]);
        const pipe = `partclone.extfs --clone --source ${served} --logfile /dev/null | zstd -q -o ${archive}`;
        await run(['bash', '-c', `set -o pipefail; ${pipe}`]);
      },
    },
  ]);
  const title = `Capture, mode ${mode}: ${formatBytes(FILE_BYTES)} of files, ${formatBytes(JUNK_BYTES)} of junk`;
  const times = table(title, { amount: FILE_BYTES, unit: 'bytes' }, results);
  const reference = beside(session, disk.path, 'reference.qcow2');
  await withMounted(session, await attachFileSystem(session, disk), 'noatime', (folder) =>
    run(['fstrim', folder]),
  );
  await session.release({ kind: 'loop', backing: disk.path });
  await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk.path, reference]);
  const [ours, theirs] = [await allocatedBytes(image), await allocatedBytes(reference)];
  const verdict = ours <= theirs * MAX_IMAGE_RATIO ? 'reached' : 'MISSED';
  return `${times}\nImage: ${formatBytes(ours)}; qemu-img convert of the trimmed disk: ${formatBytes(theirs)}; at most ${MAX_IMAGE_RATIO} of it: ${(ours / theirs).toFixed(2)}, ${verdict}\n`;
}
