import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { run } from '@diskferry/system/run';

export interface TestServer {
  readonly address: DiskAddress;
  readonly pid: number;
  /** Ends the server without a word to its clients. */
  kill(): void;
}

/** Serves a raw file over NBD, writable, by a program that is not ours. It stays until it is killed. */
export async function serveFile(path: string, folder: string): Promise<TestServer> {
  const name = `${path.replaceAll('/', '_')}-${process.hrtime.bigint()}`;
  const socketPath = join(folder, `${name.slice(-40)}.sock`);
  const pidFile = join(folder, `${name}.pid`);
  await run([
    'qemu-nbd',
    '--fork',
    '--persistent',
    `--pid-file=${pidFile}`,
    '--socket',
    socketPath,
    '--format=raw',
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
