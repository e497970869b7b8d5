import { open } from 'node:fs/promises';
import { CommandError, run } from '@diskferry/system/run';
import type { BootFacts, BootPartition, MendingContext, MendingPart } from './boot-mending.ts';
import { withMount } from '../file-systems/mount.ts';
import { inside } from './volume-files.ts';
import {
  isCleanHive,
  moveDriveLetters,
  moveInBootConfiguration,
  type MovedPlace,
} from './windows-identifiers.ts';

/** A registry hive in which Windows names partitions by their places. */
interface Hive {
  readonly path: string;
  readonly move: (hive: Buffer, signature: number, moves: readonly MovedPlace[]) => number;
}

const HIVES: readonly Hive[] = [
  { path: '/Boot/BCD', move: moveInBootConfiguration },
  { path: '/Windows/System32/config/SYSTEM', move: moveDriveLetters },
];
const NTFS = 'ntfs';
/** Bytes of a hive must pass unchanged: each is one character. */
const ENCODING = 'latin1';

/** Windows that starts from an MBR under a BIOS: what it remembers of places is mended where partitions have moved. */
export async function planWindows(facts: BootFacts): Promise<MendingPart> {
  const loader = 'Windows Boot Manager (BIOS)';
  if (facts.table.kind !== 'mbr') return { loader };
  if (facts.destinationKind !== 'mbr') {
    const obstacle =
      'Windows starts from a GPT under UEFI only; run its program mbr2gpt in the system instead of --gpt';
    return { loader, obstacles: [obstacle] };
  }
  const moves = facts.partitions
    .filter(({ start, was }) => start !== was.start)
    .map(({ start, was }) => ({ from: was.start, to: start }));
  if (moves.length === 0) return { loader };
  const signature = Number(facts.table.id);
  const parts: MendingPart[] = [];
  for (const partition of facts.partitions.filter(({ fileSystem }) => fileSystem.type === NTFS)) {
    const device = partition.sourceDevice ?? (await facts.source.attachPartition(partition.was));
    for (const hive of HIVES) {
      const part = await planHive(partition, hive, { device, signature, moves });
      if (part !== undefined) parts.push(part);
    }
  }
  return {
    loader,
    notes: parts.flatMap(({ notes = [] }) => notes),
    steps: parts.flatMap(({ steps = [] }) => steps),
    changedFiles: parts.flatMap(({ changedFiles = [] }) => changedFiles),
  };
}

async function planHive(
  { number }: BootPartition,
  { path, move }: Hive,
  { device, signature, moves }: { device: string; signature: number; moves: readonly MovedPlace[] },
): Promise<MendingPart | undefined> {
  const found = await readNtfsFile(device, path);
  if (found === undefined) return undefined;
  if (typeof found === 'string') return { notes: [found] };
  if (move(found, signature, moves) === 0) return undefined;
  const notes = isCleanHive(found)
    ? []
    : [`${path} in partition ${number} has changes in its log that may undo the new places of partitions`];
  return {
    notes,
    steps: [
      {
        title: `write the new places of partitions into ${path} in partition ${number}`,
        run: async (_destination, deviceOf, context) => {
          const target = await deviceOf(number);
          await changeNtfsFile(target, path, context, (hive) => move(hive, signature, moves));
        },
      },
    ],
    changedFiles: [{ partition: number, path }],
  };
}

/** Returns the contents, undefined where there is no such file, or a note where it cannot be read here. */
async function readNtfsFile(device: string, path: string): Promise<Buffer | string | undefined> {
  try {
    const { stdout, exitCode } = await run(['ntfscat', device, path], {
      encoding: ENCODING,
      okExitCodes: [0, 1],
    });
    return exitCode === 0 ? Buffer.from(stdout, ENCODING) : undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return `Windows may not start where partitions have moved, as ${path} cannot be looked at here: ${error.message}`;
  }
}

async function changeNtfsFile(
  device: string,
  path: string,
  { session, signal, warn }: MendingContext,
  change: (contents: Buffer) => number,
): Promise<void> {
  await withMount(session, device, { type: 'ntfs-3g', options: ['rw'], signal }, async (root) => {
    const place = await inside(root, path);
    if (place === undefined) {
      warn(`${path} is not there any more, and Windows may not start`);
      return;
    }
    await using file = await open(place, 'r+');
    const contents = await file.readFile();
    change(contents);
    await file.write(contents, 0, contents.length, 0);
    await file.sync();
  });
}
