import { spawn } from 'node:child_process';
import { mkdtempSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { RANDOM_READS, randomReads } from './fio.ts';
import { type Contender, compare, table } from './measure.ts';

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
/** Our speed divided by that of nbdfuse and loop. */
const SEQUENTIAL_TARGET = 1.5;
const RANDOM_TARGET = 1;

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
  const devices = [
    { name: 'diskferry (network adapter, copy-on-write, FUSE, loop)', device: ours.device },
    { name: 'nbdfuse and loop', device: theirs },
  ];
  const contenders = (target: number, read: (device: string) => Promise<number | void>): Contender[] =>
    devices.map(({ name, device }, index) => ({
      name,
      ...(index === 0 ? {} : { target }),
      run: async () => {
        await run(['blockdev', '--flushbufs', device]);
        return read(device);
      },
    }));
  const dd = (target: number, ...words: string[]): Contender[] =>
    contenders(target, async (device) => {
      const begin = performance.now();
      await run(['dd', `if=${device}`, 'of=/dev/null', 'bs=1M', 'status=none', ...words]);
      return (performance.now() - begin) / 1000;
    });
  const fio = (...words: string[]): Contender[] =>
    contenders(RANDOM_TARGET, (device) => randomReads([`--filename=${device}`, ...words], bytes));
  const sequential = { amount: bytes, unit: 'bytes' } as const;
  const random = { amount: RANDOM_READS, unit: 'operations' } as const;
  return [
    table('Simulated disk: dd through the page cache', sequential, await compare(dd(SEQUENTIAL_TARGET))),
    table(
      'Simulated disk: dd, direct I/O, 1 MiB',
      sequential,
      await compare(dd(SEQUENTIAL_TARGET, 'iflag=direct')),
    ),
    table(
      'Simulated disk: fio, direct I/O, 4 KiB at random, 16 at a time',
      random,
      await compare(fio('--ioengine=libaio', '--direct=1')),
    ),
    table(
      'Simulated disk: fio through the page cache, 4 KiB at random, one at a time',
      random,
      await compare(fio('--ioengine=psync')),
    ),
  ].join('\n');
}

/** Attaches what an NBD server serves, or the part of it from an offset on, with nbdfuse and a loop device. */
export async function attachNbdfuse(
  uri: string,
  bytes: number,
  session: Session,
  offset = 0,
): Promise<string> {
  const folder = mkdtempSync(join(session.folder, 'nbdfuse-'));
  session.hold({ kind: 'mount', path: folder });
  startDaemon(['nbdfuse', '--readonly', folder, uri], session);
  const file = join(folder, 'nbd');
  await until(() => statSync(file, { throwIfNoEntry: false })?.size === bytes);
  session.hold({ kind: 'loop', backing: file });
  const options = ['--read-only', '--direct-io=on', '--offset', String(offset)];
  const { stdout } = await run(['losetup', '--find', '--show', ...options, file]);
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
