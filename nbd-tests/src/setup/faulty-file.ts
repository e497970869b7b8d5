import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { run } from '@diskferry/system/run';
import { atEnd } from './at-end.ts';
import { startBackground } from './background.ts';
import { acceptsOn, until } from './wait.ts';

/** A file whose medium has a bad place, or goes away. */
export interface FaultyFile {
  readonly path: string;
  /** Takes the medium out: from then on nothing of it can be read. */
  remove(): Promise<void>;
}

/**
 * A file of the bytes of another, by nbdfuse over nbdkit, as a plain file cannot fail.
 *
 * @param bad the range that cannot be read
 */
export async function makeFaultyFile(
  test: TestContext,
  {
    folder,
    name,
    bytes,
    bad,
  }: { folder: string; name: string; bytes: string; bad: { readonly start: number; readonly end: number } },
): Promise<FaultyFile> {
  const socket = join(folder, `${name}.sock`);
  // nbdkit calls it with the arguments: method, handle, count, offset.
  const read = `
    if [ "$4" -lt ${bad.end} ] && [ "$(($4 + $3))" -gt ${bad.start} ]; then echo "EIO bad place" >&2; exit 1; fi
    dd if=${bytes} iflag=skip_bytes,count_bytes,fullblock bs=1M skip="$4" count="$3" status=none`;
  const words = [`pread=${read}`, `get_size=echo ${statSync(bytes).size}`];
  startBackground(test, ['nbdkit', '--foreground', '--readonly', '--unix', socket, 'eval', ...words]);
  await until('nbdkit listening', () => acceptsOn(socket));
  const mountPoint = join(folder, `${name}.mount`);
  mkdirSync(mountPoint);
  const path = join(mountPoint, name);
  const fuse = startBackground(test, ['nbdfuse', '--readonly', path, `nbd+unix:///?socket=${socket}`]);
  const unmount = async (): Promise<void> => {
    await run(['umount', '--lazy', mountPoint], { okExitCodes: [0, 1, 32] });
  };
  atEnd(test, unmount);
  await until('nbdfuse mounted', () => existsSync(path));
  return {
    path,
    remove: async () => {
      await fuse.kill();
    },
  };
}
