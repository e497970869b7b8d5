import { join } from 'node:path';
import { makeCertificates } from '@diskferry/nbd-tests/setup/certificates';
import { peakMemory } from '@diskferry/nbd-tests/setup/process-facts';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { RANDOM_READS, randomReads } from './fio.ts';
import { type Contender, compare, table } from './measure.ts';
import { type RunningServer, startImagingClient, startNbdkit, startServers } from './servers.ts';

const NBDKIT_RANDOM_TARGET = 0.8;
const NBDKIT_TLS_TARGET = 0.7;
/** Of the imaging client during a read at full speed, in bytes. */
const MAX_RESIDENT_BYTES = 120_000_000;

/** nbdcopy's own default is several connections. */
const WAYS = [
  ['as it comes (several connections)', []],
  ['one connection', ['--connections=1']],
] as const;

/** How fast the imaging client serves a disk, against other servers on the same cached file. */
export async function benchClientRead(file: string, bytes: number, session: Session): Promise<string> {
  const servers = await startServers(file, session);
  const work = { amount: bytes, unit: 'bytes' } as const;
  const tables: string[] = [];
  for (const [how, options] of WAYS) {
    const results = await compare(servers.map((server) => copying(server, server.uri, options)));
    tables.push(table(`Client read: nbdcopy to null:, ${how}`, work, results));
  }
  tables.push(memoryTable(servers));
  tables.push(await benchRandomReads(servers, bytes));
  tables.push(await benchTls(file, bytes, session));
  return tables.join('\n');
}

function copying(server: RunningServer, uri: string, options: readonly string[]): Contender {
  return {
    ...server,
    run: async () => {
      await run(['nbdcopy', ...options, uri, 'null:']);
    },
  };
}

async function benchRandomReads(servers: readonly RunningServer[], bytes: number): Promise<string> {
  const results = await compare(
    servers.map(({ name, uri }) => ({
      name,
      ...(name.startsWith('nbdkit') ? { target: NBDKIT_RANDOM_TARGET } : {}),
      run: () => randomReads(['--ioengine=nbd', `--uri=${uri}`], bytes),
    })),
  );
  const title = 'Client read: fio, 4 KiB at random, 16 at a time, one connection';
  return table(title, { amount: RANDOM_READS, unit: 'operations' }, results);
}

/** Both show the same certificate, and want one of the same authority. */
async function benchTls(file: string, bytes: number, session: Session): Promise<string> {
  const { folder } = await makeCertificates(join(session.folder, 'certificates'));
  const secure = ({ uri }: RunningServer): string =>
    `${uri.replace('nbd:', 'nbds:')}?tls-certificates=${folder}`;
  const nbdkitWords = ['--tls=require', '--tls-verify-peer', `--tls-certificates=${folder}`];
  const client = await startImagingClient(file, session, ['--tls-certificates', folder]);
  const nbdkit = { ...(await startNbdkit(file, session, nbdkitWords)), target: NBDKIT_TLS_TARGET };
  const tables: string[] = [];
  for (const [how, options] of WAYS) {
    const results = await compare([client, nbdkit].map((server) => copying(server, secure(server), options)));
    const title = `Client read over TLS: nbdcopy to null:, ${how}`;
    tables.push(table(title, { amount: bytes, unit: 'bytes' }, results));
  }
  return tables.join('\n');
}

/** The most that each server had resident during the copies. */
function memoryTable(servers: readonly RunningServer[]): string {
  // nbd-server goes into the background, and has a process for each connection.
  const staying = servers.filter(({ name }) => name !== 'nbd-server');
  const rows = staying.map(({ name, pid }, index) => {
    const bytes = peakMemory(pid);
    const reached = bytes < MAX_RESIDENT_BYTES ? 'reached' : 'MISSED';
    const target = index === 0 ? `below ${formatBytes(MAX_RESIDENT_BYTES)}: ${reached}` : '';
    return `| ${name} | ${formatBytes(bytes)} | ${target} |`;
  });
  return [
    '### Resident memory during these copies, at most',
    '',
    '| | memory | target |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
