import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, run } from '@diskferry/system/run';
import { compareRecords } from '../compare/compare-trees.ts';
import { type DescribeOptions, describeTree } from '../compare/describe-tree.ts';
import { collectDifferences, type Difference } from '../compare/difference.ts';
import { readRecords, writeRecords } from '../compare/record-file.ts';
import { compareBootArea } from './boot-area.ts';
import { forgetDevices } from './btrfs-move.ts';
import { type BtrfsSuperblock, readBtrfsSuperblock } from './btrfs-superblock.ts';
import type { CopyContext } from './file-system.ts';
import { withMount } from './mount.ts';
import { countBytes, forgetCached } from './verify-files.ts';
import { asDifference, differingFacts, type VolumeDifference } from './volume-differences.ts';

/** Before the superblock: GRUB puts its core there when it is installed in the partition. */
export const BTRFS_BOOT_AREA_BYTES = 64 * 1024;

/** The top of all subvolumes, whichever one is the default. */
const MOUNT_OPTIONS = ['ro', 'noatime', 'subvolid=5'];

const COMPARED = [
  'uuid',
  'label',
  'deviceCount',
  'sectorBytes',
  'nodeBytes',
  'checksum',
] as const satisfies readonly (keyof BtrfsSuperblock)[];

/** What a twin has otherwise than its source. */
export function twinDifferences(source: BtrfsSuperblock, made: BtrfsSuperblock): VolumeDifference[] {
  return [
    ...differingFacts(COMPARED, source, made),
    ...differingFacts(
      ['features'],
      { features: source.features.join(' ') },
      { features: made.features.join(' ') },
    ),
  ];
}

/**
 * Compares a twin with its source: every file of every subvolume, the subvolumes and the file system itself. One is
 * mounted after the other, because older kernels take two devices of one UUID for the same file system.
 */
export async function verifyBtrfs(
  superblock: BtrfsSuperblock,
  source: string,
  destination: string,
  context: CopyContext,
): Promise<Difference[]> {
  const { session, signal } = context;
  const path = join(tmpdir(), `diskferry-records-${session.id}`);
  const records = { kind: 'file', path } as const;
  const mount = { type: 'btrfs', options: MOUNT_OPTIONS, signal };
  const describe: DescribeOptions = {
    oneFileSystem: false,
    subvolumes: true,
    storage: true,
    creationTimes: true,
    signal,
  };
  await forgetCached(destination, signal);
  session.hold(records);
  try {
    const wanted = await withMount(session, source, mount, async (folder) => {
      await writeRecords(path, describeTree(folder, { ...describe, onBytes: countBytes(context) }));
      return readSubvolumes(folder, signal);
    });
    await forgetDevices([source, destination]);
    return await withMount(session, destination, mount, async (folder) => {
      const made = await readSubvolumes(folder, signal);
      const inVolume = twinDifferences(superblock, await readBtrfsSuperblock(destination));
      return [
        ...inVolume.map(asDifference),
        ...(await compareBootArea(source, destination, BTRFS_BOOT_AREA_BYTES)),
        ...compareLines('subvolumes', wanted.subvolumes, made.subvolumes),
        ...compareLines('quota groups', wanted.quotas, made.quotas),
        ...(await collectDifferences(compareRecords(readRecords(path), describeTree(folder, describe)))),
      ];
    });
  } finally {
    await forgetDevices([source, destination]);
    await session.release(records);
  }
}

interface Subvolumes {
  /** Ids, parents, UUIDs, paths, which of them are read-only, and which is the default: a line for each. */
  readonly subvolumes: readonly string[];
  /** Limits of quota groups. */
  readonly quotas: readonly string[];
}

async function readSubvolumes(folder: string, signal: AbortSignal | undefined): Promise<Subvolumes> {
  const lines = async (...command: Command): Promise<string[]> => {
    // Without quotas, there are no groups to show.
    const { stdout } = await run(command, { signal, okExitCodes: [0, 1], encoding: 'latin1' });
    // Generations count transactions, of which the copy has more.
    return stdout.split('\n').map((line) => line.replace(/\bc?gen \d+ /, ''));
  };
  const list = ['btrfs', 'subvolume', 'list', '-a', '-p', '-q', '-u', '-R'] as const;
  const [all, readOnly, standard, quotas] = [
    await lines(...list, folder),
    await lines(...list, '-r', folder),
    await lines('btrfs', 'subvolume', 'get-default', folder),
    await lines('btrfs', 'qgroup', 'show', '-r', '-e', '--raw', folder),
  ];
  return {
    subvolumes: [
      ...all,
      ...readOnly.map((line) => (line === '' ? '' : `read-only: ${line}`)),
      ...standard.map((line) => (line === '' ? '' : `default: ${line}`)),
    ].filter((line) => line !== ''),
    // Id, referenced, exclusive, limits of both: what is in use is counted anew by the kernel.
    quotas: quotas
      .map((line) => line.trim().split(/\s+/))
      .filter(([id = '']) => /^\d+\/\d+$/.test(id))
      .map(([id, , , referenced, exclusive]) => `${id} limits ${referenced} ${exclusive}`),
  };
}

function compareLines(property: string, left: readonly string[], right: readonly string[]): Difference[] {
  const [inLeft, inRight] = [new Set(left), new Set(right)];
  return [
    ...left.filter((line) => !inRight.has(line)).map((line) => ({ left: line, right: 'missing' })),
    ...right.filter((line) => !inLeft.has(line)).map((line) => ({ left: 'missing', right: line })),
  ].map((sides) => ({ path: '', property, ...sides }));
}
