import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from '@diskferry/system/run';
import type { Workbench } from '../file-systems/test-devices.ts';

const MIB = 1024 * 1024;
const START = MIB;
const END_GAP = MIB;

/** Makes a disk file with a GPT and one ext4 partition that holds a file of random bytes. */
export async function makeSourceDisk(
  { file, loop, mount, unmount, session }: Workbench,
  { size = 128 * MIB, contentBytes = 24 * MIB, name = 'source.raw' } = {},
): Promise<string> {
  const disk = file(name, size);
  const sectors = (size - START - END_GAP) / 512;
  await run(['sfdisk', '--quiet', disk], {
    input: `label: gpt\nstart=${START / 512}, size=${sectors}, type=L, name="root"\n`,
  });
  // A file of its own makes the partition: no loop device with an offset is needed.
  const partition = file(`${name}.part`, size - START - END_GAP);
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'small', partition]);
  const folder = await mount(await loop(partition));
  await writeFile(join(folder, 'content'), randomBytes(contentBytes));
  await unmount(folder);
  await session.release({ kind: 'loop', backing: partition });
  await run(['dd', `if=${partition}`, `of=${disk}`, 'bs=1M', 'seek=1', 'conv=notrunc,sparse', 'status=none']);
  return disk;
}

/** The SHA-256 of a file, in hex. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
