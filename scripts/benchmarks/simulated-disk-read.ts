import { spawn } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { compare, table } from './measure.ts';

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/** How fast a simulated disk is read, against nbdfuse with a loop device, both over the same NBD server. */
export async function benchSimulatedDiskRead(file: string, bytes: number, session: Session): Promise<string> {
  const socketPath = join(session.folder, 'nbdkit.sock');
  startDaemon(['nbdkit', '--foreground', '--readonly', '--unix', socketPath, 'file', file], session);
  await until(() => statSync(socketPath, { throwIfNoEntry: false }) !== undefined);
  const ours = await attachDisk(
    { kind: 'remote', address: { transport: 'unix', socketPath, exportName: '' } },
    { session, mode: 'copy-on-write', driver: 'fuse' },
  );
  const theirs = await attachNbdfuse(`nbd+unix:///?socket=${socketPath}`, bytes, session);
  const contenders = (options: readonly string[]) =>
    [
      { name: 'diskferry (network adapter, copy-on-write, FUSE, loop)', device: ours.device },
      { name: 'nbdfuse and loop', device: theirs },
    ].map(({ name, device }) => ({
      name,
      run: async () => {
        await run(['blockdev', '--flushbufs', device]);
        await run(['dd', `if=${device}`, 'of=/dev/null', 'bs=1M', 'status=none', ...options]);
      },
    }));
  return [
    table('Simulated disk: dd, direct I/O, 1 MiB', bytes, await compare(contenders(['iflag=direct']))),
    table('Simulated disk: dd through the page cache', bytes, await compare(contenders([]))),
  ].join('\n');
}

async function attachNbdfuse(uri: string, bytes: number, session: Session): Promise<string> {
  const folder = join(session.folder, 'nbdfuse');
  mkdirSync(folder);
  session.hold({ kind: 'mount', path: folder });
  startDaemon(['nbdfuse', '--readonly', folder, uri], session);
  const file = join(folder, 'nbd');
  await until(() => statSync(file, { throwIfNoEntry: false })?.size === bytes);
  session.hold({ kind: 'loop', backing: file });
  const { stdout } = await run(['losetup', '--find', '--show', '--read-only', '--direct-io=on', file]);
  return stdout.trim();
}

function startDaemon([program, ...args]: readonly [string, ...string[]], session: Session): void {
  const child = spawn(program, args, { stdio: 'ignore', detached: true });
  if (child.pid !== undefined) session.holdProcess(child.pid, program);
  child.unref();
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += POLL_MS) {
    if (waited > START_TIMEOUT_MS) throw new Error(`not ready within ${START_TIMEOUT_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}
