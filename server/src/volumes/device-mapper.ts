import { readFile } from 'node:fs/promises';
import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

/** device-mapper counts in sectors of 512 bytes, whatever the disk has. */
export const MAPPER_SECTOR = 512;

let counter = 0;

/** A name that no other device of device-mapper has. */
export function newMappingName({ id }: Session): string {
  return `diskferry-${id}-${counter++}`;
}

/** Whether this kernel has device-mapper, and that target of it, such as "crypt". */
export async function hasTarget(target: string): Promise<boolean> {
  // Exit code 1: it is built in, or missing; which of both is seen below.
  await run(['modprobe', '--quiet', `dm-${target}`], { okExitCodes: [0, 1] });
  const devices = await readFile('/proc/misc', 'utf8');
  if (!/\bdevice-mapper$/m.test(devices)) return false;
  const { stdout } = await run(['dmsetup', 'targets']);
  return stdout.split('\n').some((line) => line.startsWith(`${target} `));
}

export interface MappingOptions {
  readonly session: Session;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a device of device-mapper for the time of one piece of work, which gets its path.
 *
 * @param table lines of start, size, target and its arguments, in sectors of 512 bytes
 */
export async function withMapping<T>(
  table: string,
  { session, signal }: MappingOptions,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const name = newMappingName(session);
  const mapping = { kind: 'mapping', name } as const;
  session.hold(mapping);
  try {
    await run(['dmsetup', 'create', name], { input: table, signal });
    // Where no udev makes the device node.
    await run(['dmsetup', 'mknodes', name], { signal });
    return await work(`/dev/mapper/${name}`);
  } finally {
    await session.release(mapping);
  }
}

/** A table of the target "linear": parts of a device, one after another. */
export function linearTable(device: string, ranges: readonly ByteRange[]): string {
  let at = 0;
  const lines = ranges.map(({ start, size }) => {
    const line = `${at} ${size / MAPPER_SECTOR} linear ${device} ${start / MAPPER_SECTOR}`;
    at += size / MAPPER_SECTOR;
    return line;
  });
  return `${lines.join('\n')}\n`;
}
