import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

export interface TestServer {
  readonly address: DiskAddress;
  /** Ends the server without a word to its clients. */
  kill(): void;
  /** Starts it again at the same address. */
  startAgain(): Promise<void>;
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
  const start = async (): Promise<number> => {
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
    return Number(readFileSync(pidFile, 'utf8'));
  };
  let pid = await start();
  return {
    address: { transport: 'unix', socketPath, exportName: 'sda' },
    kill: () => void process.kill(pid, 'SIGKILL'),
    async startAgain() {
      await rm(socketPath);
      pid = await start();
    },
  };
}
