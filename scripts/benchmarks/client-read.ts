import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { compare, table } from './measure.ts';
import { startServers } from './servers.ts';

/** How fast the imaging client serves a disk, against nbdkit, qemu-nbd and nbd-server on the same cached file. */
export async function benchClientRead(file: string, bytes: number, session: Session): Promise<string> {
  const servers = await startServers(file, session);
  const tables: string[] = [];
  for (const [title, options] of [
    ['nbdcopy to null:, as it comes (several connections)', []],
    ['nbdcopy to null:, one connection', ['--connections=1']],
  ] as const) {
    const results = await compare(
      servers.map(({ name, uri }) => ({
        name,
        run: async () => {
          await run(['nbdcopy', ...options, uri, 'null:']);
        },
      })),
    );
    tables.push(table(`Client read: ${title}`, bytes, results));
  }
  return tables.join('\n');
}
