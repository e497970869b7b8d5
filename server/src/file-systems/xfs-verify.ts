import type { Difference } from '../compare/difference.ts';
import type { CopyContext } from './file-system.ts';
import { verifyFiles } from './verify-files.ts';
import { asDifference, differingFacts, type VolumeDifference } from './volume-differences.ts';
import { readXfsAttributes, summaryOf } from './xfs-attributes.ts';
import type { XfsTwin } from './xfs-mkfs.ts';
import { readXfsSuperblock, type XfsSuperblock } from './xfs-superblock.ts';

/** nouuid: source and twin have one UUID. norecovery is not needed: both logs are clean after the copy. */
const MOUNT = { type: 'xfs', options: ['nouuid'] } as const;

const COMPARED = [
  'version',
  'blockBytes',
  'sectorBytes',
  'inodeBytes',
  'directoryBlockBytes',
  'maxInodePercent',
  'uuid',
  'label',
  'logVersion',
  'stripeUnit',
  'stripeWidth',
] as const satisfies readonly (keyof XfsSuperblock)[];
const COMPARED_GEOMETRY = [
  'dataBlocks',
  'agBlocks',
  'agCount',
  'logBlocks',
] as const satisfies readonly (keyof XfsSuperblock)[];

/** What a twin has otherwise than was planned. */
export function twinDifferences(
  { superblock, sameGeometry }: XfsTwin,
  made: XfsSuperblock,
): VolumeDifference[] {
  // After the UUID was changed, version 5 keeps the first one too; the twin needs no first one.
  const wanted = superblock.features.filter((name) => name !== 'meta-uuid').join(' ');
  return [
    ...differingFacts([...COMPARED, ...(sameGeometry ? COMPARED_GEOMETRY : [])], superblock, made),
    ...differingFacts(['features'], { features: wanted }, { features: made.features.join(' ') }),
  ];
}

/** Compares a twin with its source: every file, also what only XFS knows of it, and the file system itself. */
export async function verifyXfs(
  twin: XfsTwin,
  source: string,
  destination: string,
  context: CopyContext,
): Promise<Difference[]> {
  const { blockBytes } = await readXfsSuperblock(source);
  // Blocks of another size make holes of another size.
  const holeUnit = Math.max(blockBytes, twin.superblock.blockBytes);
  const inFiles = await verifyFiles(source, destination, MOUNT, context, { holeUnit }, async (left, right) =>
    compareXfsAttributes(left, right, context),
  );
  const inVolume = twinDifferences(twin, await readXfsSuperblock(destination));
  return [...inVolume.map(asDifference), ...inFiles];
}

async function compareXfsAttributes(
  left: string,
  right: string,
  { signal }: CopyContext,
): Promise<Difference[]> {
  const sides = [await attributesByPath(left, signal), await attributesByPath(right, signal)] as const;
  return [...new Set(sides.flatMap((side) => [...side.keys()]))]
    .map((path) => ({
      path,
      property: 'XFS attributes',
      left: sides[0].get(path) ?? 'none',
      right: sides[1].get(path) ?? 'none',
    }))
    .filter((difference) => difference.left !== difference.right);
}

async function attributesByPath(root: string, signal: AbortSignal | undefined): Promise<Map<string, string>> {
  const found = await readXfsAttributes(root, signal);
  return new Map(
    found.map((attributes) => {
      const inside = attributes.path.subarray(Buffer.byteLength(root) + 1).toString('latin1');
      return [inside === '' ? '.' : inside, summaryOf(attributes)];
    }),
  );
}
