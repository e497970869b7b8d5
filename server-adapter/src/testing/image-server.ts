import { readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

export interface TestServer {
  readonly address: DiskAddress;
  readonly pid: number;
  /** Ends the server without a word to its clients. */
  kill(): void;
}

/** Serves a raw file over NBD by a program that is not ours. It stays until it is killed or the session ends. */
export async function serveFile(
  session: Session,
  path: string,
  { readOnly = false } = {},
): Promise<TestServer> {
  const folder = await mkdtemp(join(session.folder, 'server-'));
  const socketPath = join(folder, 'socket');
  const pidFile = join(folder, 'pid');
  session.hold({ kind: 'daemon', argument: `--pid-file=${pidFile}`, name: 'qemu-nbd' });
  await run([
    'qemu-nbd',
    '--fork',
    '--persistent',
    `--pid-file=${pidFile}`,
    '--socket',
    socketPath,
    '--format=raw',
    ...(readOnly ? ['--read-only'] : []),
    '--export-name=sda',
    path,
  ]);
  const pid = Number(readFileSync(pidFile, 'utf8'));
  return {
    address: { transport: 'unix', socketPath, exportName: 'sda' },
    pid,
    kill: () => void process.kill(pid, 'SIGKILL'),
  };
}
