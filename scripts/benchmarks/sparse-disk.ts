import type { Session } from '@diskferry/system/session';
import { compare, table } from './measure.ts';
import { startImagingClient } from './servers.ts';
import { makeSourceDisk, writeMixedFiles } from './source-disks.ts';
import { beside, captureInto } from './transfer.ts';

const GB = 1000 ** 3;
const FILE_BYTES = [500_000_000, 2_000_000_000];
/** How much longer the large disk may take. */
const MAX_RATIO = 1.2;

/**
 * Time grows with used bytes, not with the size of the disk: 8 GB and 2 TB with the same files. The larger twin costs the
 * same time however much is copied, so few files show it best; the target is for a disk of 8 GB a quarter full.
 */
export async function benchSparseDisk(session: Session): Promise<string> {
  const tables = [];
  for (const fileBytes of FILE_BYTES) tables.push(await benchWith(fileBytes, session));
  return tables.join('\n');
}

async function benchWith(fileBytes: number, session: Session): Promise<string> {
  const contenders = [];
  const files = `${fileBytes / 1000 ** 2} MB of files`;
  for (const [name, bytes] of [
    ['2 TB', 2000 * GB],
    ['8 GB', 8 * GB],
  ] as const) {
    const disk = await makeSourceDisk(session, {
      name: `${name.replace(' ', '')}-${fileBytes}`,
      bytes: Math.floor(bytes / 4096) * 4096,
      fill: (folder) => writeMixedFiles(folder, fileBytes),
    });
    const client = await startImagingClient(disk.path, session);
    const image = beside(session, disk.path, 'qcow2');
    contenders.push({
      name: `capture of a disk of ${name}`,
      ...(name === '8 GB' ? { target: 1 / MAX_RATIO } : {}),
      run: () => captureInto(image, client.uri),
    });
  }
  const work = { amount: fileBytes, unit: 'bytes' } as const;
  return table(`Capture of sparse disks with the same ${files}`, work, await compare(contenders));
}
