import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutOf } from '@diskferry/qemu-tests/source-computers/layout';
import { makeSourceComputer } from '@diskferry/qemu-tests/source-computers/source-computer';
import { workCopy } from '@diskferry/qemu-tests/work-files';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { compare, table } from './measure.ts';
import { startImagingClient } from './servers.ts';

const DISKFERRY = join(import.meta.dirname, '../../server/bin/diskferry.js');
const KIND = 'bios-mbr';

/**
 * How long the capture of the demo's disk takes, served from a file by the imaging client on this machine, against
 * `partclone.extfs | zstd` on the same file system. Partclone saves blocks of one file system and makes no virtual
 * machine; it is what Clonezilla runs.
 */
export async function benchCapture(session: Session): Promise<string> {
  const computer = await makeSourceComputer(KIND, { onProgress: console.error });
  const disk = await workCopy(session, computer.diskPath, 'bench.raw');
  const client = await startImagingClient(disk, session);
  const root = layoutOf(KIND, disk, computer.diskBytes).root;
  session.hold({ kind: 'loop', backing: disk });
  const part = ['--offset', String(root.start), '--sizelimit', String(root.size)];
  const { stdout } = await run(['losetup', '--find', '--show', '--read-only', ...part, disk]);
  const image = `${disk}.qcow2`;
  const archive = `${disk}.zst`;
  session.hold({ kind: 'file', path: image });
  session.hold({ kind: 'file', path: archive });
  const results = await compare([
    {
      name: 'diskferry capture, over NBD into qcow2',
      run: async () => {
        await rm(image, { force: true });
        await run([process.execPath, DISKFERRY, 'capture', client.uri, image, '--insecure', '--json']);
      },
    },
    {
      name: 'partclone.extfs piped to zstd, local file',
      run: async () => {
        await rm(archive, { force: true });
        const pipe = `partclone.extfs --clone --source ${stdout.trim()} --logfile /dev/null | zstd -q -o ${archive}`;
        await run(['sh', '-c', pipe]);
      },
    },
  ]);
  return table('Capture of the demo disk (BIOS)', { amount: computer.usedBytes, unit: 'bytes' }, results);
}
