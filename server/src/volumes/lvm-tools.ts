import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import { FileSystemError } from '../file-systems/errors.ts';
import type { Session } from '@diskferry/system/session';

interface LvmOptions {
  readonly session: Session;
  readonly signal?: AbortSignal | undefined;
}

/** Where a physical volume keeps its metadata, in bytes. */
export interface PhysicalVolumeFacts {
  readonly areas: readonly { readonly start: number; readonly size: number }[];
  /** A part in front of the extents that is left to boot loaders. */
  readonly bootAreaBytes: number;
}

/**
 * Reads the description of a volume group from one of its devices alone, so that groups of this server with the same name
 * or identifiers do not matter.
 *
 * @throws {CommandError} when it is damaged
 * @throws {FileSystemError} `DAMAGED` when there is none
 */
export async function dumpMetadata(device: string, options: LvmOptions): Promise<string> {
  return withFile(options.session, async (file) => {
    await runLvm(device, ['pvck', '--dump', 'metadata', '--file', file, device], options);
    return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      throw new FileSystemError('DAMAGED', 'it holds no description of a volume group');
    });
  });
}

export async function dumpHeaders(device: string, options: LvmOptions): Promise<PhysicalVolumeFacts> {
  return parseHeaders(await runLvm(device, ['pvck', '--dump', 'headers', device], options));
}

/** Reads the output of `pvck --dump headers`: each location has its purpose at its first line. */
export function parseHeaders(output: string): PhysicalVolumeFacts {
  const purposes = [...output.matchAll(/disk_locn\[(\d+)\] at \d+ # location of (.*)$/gm)];
  const located = purposes.map((match) => {
    const rest = output.slice(match.index);
    const valueOf = (name: string): number =>
      Number(new RegExp(`disk_locn\\[${match[1]}\\]\\.${name} (\\d+)`).exec(rest)?.[1] ?? 0);
    return { purpose: match[2], start: valueOf('offset'), size: valueOf('size') };
  });
  const bootArea = located.find(({ purpose }) => purpose?.includes('bootloader'));
  return {
    areas: located
      .filter(({ purpose }) => purpose === 'metadata area')
      .map(({ start, size }) => ({ start, size })),
    bootAreaBytes: bootArea?.size ?? 0,
  };
}

export interface NewPhysicalVolume {
  /** With its dashes. */
  readonly uuid: string;
  readonly groupName: string;
  /** The description of the group, as LVM's text. */
  readonly metadata: string;
  readonly metadataCopies: number;
}

/** Makes a device the physical volume of a group: its label, and the group's description with all its identifiers. */
export async function restoreGroup(
  device: string,
  { uuid, groupName, metadata, metadataCopies }: NewPhysicalVolume,
  options: LvmOptions,
): Promise<void> {
  await withFile(options.session, async (file) => {
    await writeFile(file, metadata);
    const identity = ['--uuid', uuid, '--restorefile', file];
    const copies = ['--pvmetadatacopies', String(metadataCopies)];
    await runLvm(
      device,
      ['pvcreate', '--yes', '--force', '--force', ...identity, ...copies, device],
      options,
    );
    await runLvm(device, ['vgcfgrestore', '--force', '--file', file, groupName], options);
  });
}

/** A file for a piece of metadata. */
async function withFile<T>(session: Session, work: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(session.folder, 'lvm-'));
  try {
    return await work(join(folder, 'metadata'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Lets LVM check what `restoreGroup` made. */
export async function checkGroup(device: string, groupName: string, options: LvmOptions): Promise<void> {
  await runLvm(device, ['vgck', groupName], options);
}

/**
 * Runs a program of LVM that sees one device and nothing else of this server: no configuration, no locks, no cache, no
 * device-mapper, no udev.
 */
export async function runLvm(
  device: string,
  [program, ...words]: readonly [string, ...string[]],
  { session, signal }: LvmOptions,
): Promise<string> {
  const system = join(session.folder, 'lvm-system');
  await mkdir(system, { recursive: true });
  const { stdout } = await run(
    [program, '--driverloaded', 'n', '--config', configuration(device, system), ...words],
    { signal, env: { LVM_SYSTEM_DIR: system, LVM_SUPPRESS_FD_WARNINGS: '1' } },
  );
  return stdout;
}

/** See lvm.conf(5). */
function configuration(device: string, system: string): string {
  const filter = `["a|^${device.replaceAll(/[.|+]/g, String.raw`\$&`)}$|", "r|.*|"]`;
  return [
    'devices {',
    `filter = ${filter} global_filter = ${filter}`,
    // Inside an encrypted volume the device is one of device-mapper's.
    'use_devicesfile = 0 hints = "none" scan_lvs = 1',
    'obtain_device_list_from_udev = 0 external_device_info_source = "none"',
    'multipath_component_detection = 0 md_component_detection = 0 fw_raid_component_detection = 0',
    '}',
    `global { locking_dir = "${system}/lock" event_activation = 0 use_lvmpolld = 0 use_lvmlockd = 0 system_id_source = "none" }`,
    'backup { backup = 0 archive = 0 }',
    'activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }',
  ].join(' ');
}
