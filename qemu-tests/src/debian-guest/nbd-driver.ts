/**
 * What a guest with the kernel's nbd module does: attaches an image by the loop-back driver `nbd`, makes a file system
 * on it, detaches it, and reads the file back over a copy-on-write layer.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createImage } from '@diskferry/server-adapter/image/virtual-disk';
import type { AccessMode, SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';

const IMAGE = '/run/guest.qcow2';
const MOUNT = '/run/mounted';
const MIB = 1024 * 1024;
const PARTITION = { start: MIB, size: 62 * MIB };

async function attach(session: Session, mode: AccessMode): Promise<SimulatedDisk> {
  const disk = await attachDisk(
    { kind: 'image', path: IMAGE, format: 'qcow2' },
    { session, mode, driver: 'nbd' },
  );
  if (!/^\/dev\/nbd\d+$/.test(disk.device))
    throw new Error(`attached as ${disk.device}, not by the nbd driver`);
  return disk;
}

async function withMount<T>(session: Session, device: string, work: () => Promise<T>): Promise<T> {
  const mount = { kind: 'mount', path: MOUNT } as const;
  session.hold(mount);
  await run(['mount', device, MOUNT]);
  const result = await work();
  await session.release(mount);
  return result;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const content = randomBytes(5 * MIB);
mkdirSync(MOUNT);
await createImage(IMAGE, 'qcow2', 64 * MIB);
{
  await using session = openSession('nbd-write');
  const disk = await attach(session, 'write');
  say(`attached as ${disk.device}`);
  const device = await disk.attachPartition(PARTITION);
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', device]);
  await withMount(session, device, async () => writeFile(join(MOUNT, 'content'), content));
  await disk.detach();
  if (existsSync(`/sys/block/${basename(disk.device)}/pid`)) throw new Error('the device is still connected');
}
{
  await using session = openSession('nbd-read');
  const disk = await attach(session, 'copy-on-write');
  const device = await disk.attachPartition(PARTITION);
  const read = await withMount(session, device, async () => readFile(join(MOUNT, 'content')));
  if (!read.equals(content)) throw new Error('the file reads back differently');
  const { sourceBytesWritten } = await disk.counters();
  if (sourceBytesWritten !== 0) throw new Error(`${sourceBytesWritten} bytes were written through the layer`);
  await disk.detach();
}
say('the nbd driver works');
