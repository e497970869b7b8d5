import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';

const DEBIAN_FOLDER = '/usr/lib/postgresql';
const DATABASE_USER = 'postgres';

/** A PostgreSQL of its own: no TCP port, a socket in its folder, data that go with it. */
export interface PostgresServer {
  /** Makes an empty database and returns its connection string. */
  createDatabase(): Promise<string>;
  /** Ends it as a power failure does: no clean-up, no last write. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and deletes its data. */
  destroy(): Promise<void>;
}

/** Starts Debian's PostgreSQL, as Debian's user for it: it refuses to run as root. */
export async function startPostgres(): Promise<PostgresServer> {
  const version = existsSync(DEBIAN_FOLDER) ? readdirSync(DEBIAN_FOLDER).toSorted().at(-1) : undefined;
  if (version === undefined) throw new Error('PostgreSQL is not installed; run scripts/setup');
  const programs = join(DEBIAN_FOLDER, version, 'bin');
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-postgres-'));
  const { uid, gid } = await userIds();
  chownSync(folder, uid, gid);
  const data = join(folder, 'data');
  const asPostgres = (command: string, ...words: string[]): ReturnType<typeof run> =>
    run(['runuser', '--user', DATABASE_USER, '--', join(programs, command), ...words], { cwd: folder });
  const settings = `-c listen_addresses='' -c unix_socket_directories='${folder}' -c fsync=off`;
  const start = async (): Promise<void> => {
    await asPostgres('pg_ctl', 'start', '-w', '-D', data, '-o', settings, '-l', join(folder, 'log'));
  };
  const stop = async (mode: 'fast' | 'immediate'): Promise<void> => {
    await asPostgres('pg_ctl', 'stop', '-w', '-D', data, '-m', mode);
  };
  await asPostgres('initdb', '--no-sync', '--auth=trust', '--encoding=UTF8', '--locale=C', '-D', data);
  await start();
  let count = 0;
  return {
    async createDatabase() {
      const name = `test_${count++}`;
      await asPostgres('createdb', '--host', folder, name);
      return `postgresql://${DATABASE_USER}@/${name}?host=${encodeURIComponent(folder)}`;
    },
    kill: () => stop('immediate'),
    start,
    async destroy() {
      await stop('immediate').catch(() => {});
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function userIds(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all(
    ['--user', '--group'].map(async (what) => Number((await run(['id', what, DATABASE_USER])).stdout)),
  );
  return { uid: uid as number, gid: gid as number };
}
