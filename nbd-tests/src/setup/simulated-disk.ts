// First: the sessions of these tests stay apart from those of the machine.
import { sessionsFolder } from '@diskferry/server-adapter/testing/own-sessions';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { AttachOptions, DiskSource, SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import { run } from '@diskferry/system/run';
import { openSession } from '@diskferry/system/session';
import { atEnd } from './at-end.ts';
import type { ImagingClient } from './imaging-client.ts';
import { scratchFolder } from './scratch.ts';

process.once('exit', () => {
  try {
    rmdirSync(sessionsFolder);
  } catch {
    // Something of a session is left, which a test has reported.
  }
});

/** Attaches a disk as a block device; everything of it is given back after the test. */
export async function attach(
  test: TestContext,
  source: DiskSource,
  options: Omit<AttachOptions, 'session' | 'mode'> & Partial<Pick<AttachOptions, 'mode'>> = {},
): Promise<SimulatedDisk> {
  const session = openSession('test');
  atEnd(test, () => session[Symbol.asyncDispose]());
  return attachDisk(source, { mode: 'copy-on-write', driver: 'fuse', ...options, session });
}

type RemoteSource = Extract<DiskSource, { readonly kind: 'remote' }>;

/** A disk of an imaging client as a source, without encryption; at another address where something stands between. */
export function sourceOf(
  client: ImagingClient,
  path: string,
  { host, port }: Pick<ImagingClient, 'host' | 'port'> = client,
): RemoteSource {
  const address = { transport: 'tcp', host, port, exportName: client.exportName(path) } as const;
  return { kind: 'remote', address, security: { kind: 'insecure' }, controlPort: client.controlPort };
}

/** Mounts a block device read-only until the test ends. Returns the folder. */
export async function mountReadOnly(test: TestContext, device: string): Promise<string> {
  const mountPoint = join(scratchFolder(test), 'mounted');
  mkdirSync(mountPoint);
  await run(['mount', '-o', 'ro,noload', device, mountPoint]);
  atEnd(test, () => run(['umount', mountPoint]));
  return mountPoint;
}
