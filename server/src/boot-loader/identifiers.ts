import { open } from 'node:fs/promises';
import type { BootFacts, BootPartition, MendingContext, MendingPart } from './boot-mending.ts';
import type { BootSurvey, BootText } from './survey.ts';
import { inside, isMountable, withFolder } from './volume-files.ts';

/** Names of disks and partitions that another computer gives to another disk, or by the disk's own serial number. */
const DEVICE_NAME =
  /\/dev\/(?:(?:sd|hd|vd|xvd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?|disk\/by-(?:id|path)\/[^\s,"']+)/g;
const COMMENT = /^\s*#/;

/** Says what names a disk in a way that does not hold on another computer. */
export function deviceNameNotes({ texts }: BootSurvey): string[] {
  return texts.flatMap(({ path, text }) => {
    const lines = text.split('\n').filter((line) => !COMMENT.test(line));
    const names = new Set(lines.flatMap((line) => line.match(DEVICE_NAME) ?? []));
    if (names.size === 0) return [];
    const list = [...names].slice(0, 5).join(', ');
    return [`${path} names ${list}: on another computer that may be another disk; use UUID= instead`];
  });
}

/** Words of a text and what takes their place. */
interface Rewording {
  readonly pattern: RegExp;
  readonly replacement: string;
}

/**
 * When an MBR becomes a GPT, partitions get new identifiers: PARTUUID=1234abcd-01 becomes a GUID, and GRUB's msdos1 becomes gpt1.
 * Their numbers stay.
 */
export function planRewording(facts: BootFacts, { texts }: BootSurvey): MendingPart {
  if (facts.table.kind !== 'mbr' || facts.destinationKind !== 'gpt') return {};
  const rewordings = rewordingsOf(facts);
  const concerned = texts.filter(({ text }) => reword(text, rewordings) !== text);
  const writable = concerned.filter(({ partition }) => isWritable(facts.partitions, partition));
  const notes = concerned
    .filter((text) => !writable.includes(text))
    .map(({ path }) => `${path} names partitions as only an MBR does; change it by hand`);
  return {
    notes,
    steps: writable.map((text) => ({
      title: `name the partitions in ${text.path} as the GPT does`,
      run: async (_destination, deviceOf, context) => {
        const partition = facts.partitions.find(({ number }) => number === text.partition) as BootPartition;
        const volume = { device: await deviceOf(partition.number), type: partition.fileSystem.type };
        await rewordFile(volume, text, rewordings, context);
      },
    })),
    changedFiles: writable.map(({ partition, path }) => ({ partition, path })),
  };
}

function rewordingsOf({ table, partitions }: BootFacts): Rewording[] {
  const signature = table.id.replace(/^0x/, '');
  const identifiers = partitions.flatMap(({ number, guid }) =>
    guid === undefined
      ? []
      : [
          {
            pattern: new RegExp(`\\b${signature}-${number.toString(16).padStart(2, '0')}\\b`, 'gi'),
            replacement: guid,
          },
        ],
  );
  return [
    ...identifiers,
    { pattern: /\b((?:hd|ahci|ata|ieee1275\/disk)\d*),msdos(\d+)\b/g, replacement: '$1,gpt$2' },
  ];
}

function reword(text: string, rewordings: readonly Rewording[]): string {
  return rewordings.reduce((words, { pattern, replacement }) => words.replace(pattern, replacement), text);
}

function isWritable(partitions: readonly BootPartition[], number: number): boolean {
  const partition = partitions.find((one) => one.number === number);
  return partition !== undefined && isMountable(partition.fileSystem.type);
}

/** Overwrites the file in its place, so that owner, mode and everything else stay. */
async function rewordFile(
  volume: { readonly device: string; readonly type: string },
  { path }: BootText,
  rewordings: readonly Rewording[],
  context: MendingContext,
): Promise<void> {
  await withFolder(volume, 'rw', context, async (root) => {
    const place = await inside(root, path);
    if (place === undefined) {
      context.warn(`${path} is not there any more and was not changed`);
      return;
    }
    await using file = await open(place, 'r+');
    const bytes = Buffer.from(reword(await file.readFile('latin1'), rewordings), 'latin1');
    await file.write(bytes, 0, bytes.length, 0);
    await file.truncate(bytes.length);
    await file.sync();
  });
}
