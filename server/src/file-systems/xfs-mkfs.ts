import type { Command } from '@diskferry/system/run';
import type { XfsSuperblock } from './xfs-superblock.ts';

const MIB = 1024 * 1024;
/** mkfs.xfs makes smaller file systems and logs only when it is told that nobody will support them (mkfs.xfs(8)). */
export const SUPPORTED_BYTES = 300 * MIB;
const SUPPORTED_LOG_BYTES = 64 * MIB;
/** The unit in which mkfs.xfs takes stripes. */
const STRIPE_UNIT_BYTES = 512;

/** Features of version 5 and the option of mkfs.xfs that switches each of them. */
const OPTION_OF: Readonly<Record<string, string>> = {
  finobt: '-m',
  rmapbt: '-m',
  reflink: '-m',
  inobtcount: '-m',
  bigtime: '-m',
  sparse: '-i',
  nrext64: '-i',
  exchange: '-i',
  parent: '-n',
  ftype: '-n',
};
/** These are not in every mkfs.xfs: they are named only where the source has them. */
const RECENT = new Set(['exchange', 'parent']);

/** What the twin is: like the source, but for what its device makes impossible. */
export interface XfsTwin {
  readonly superblock: XfsSuperblock;
  readonly dataBlocks: number;
  /** Whether allocation groups and log are exactly those of the source; else mkfs.xfs chooses for the size. */
  readonly sameGeometry: boolean;
}

/** Features that mkfs.xfs can be told, or that mean nothing for a new file system. */
export function isKnownFeature(feature: string): boolean {
  return OPTION_OF[feature] !== undefined || ['ascii-ci', 'meta-uuid'].includes(feature);
}

/** The command that makes the twin on a device that reads as zeros. `-N` among `more` only tries the options. */
export function mkfsXfsCommand(twin: XfsTwin, device: string, more: readonly string[] = []): Command {
  const { superblock, dataBlocks, sameGeometry } = twin;
  const { blockBytes, label, logBlocks, sectorBytes } = superblock;
  const small =
    dataBlocks * blockBytes < SUPPORTED_BYTES ||
    (sameGeometry && logBlocks * blockBytes < SUPPORTED_LOG_BYTES);
  const options: Record<string, string[]> = {
    '-b': [`size=${blockBytes}`],
    '-s': [`size=${sectorBytes}`],
    '-m': [`uuid=${superblock.uuid}`],
    '-i': [`size=${superblock.inodeBytes}`, `maxpct=${superblock.maxInodePercent}`],
    '-n': [`size=${superblock.directoryBlockBytes}`],
    '-d': [`size=${dataBlocks}b`, ...stripeOptions(superblock)],
    '-l': ['internal', ...logOptions(superblock)],
  };
  if (sameGeometry) {
    options['-d']?.push(`agsize=${superblock.agBlocks}b`);
    options['-l']?.push(`size=${logBlocks}b`);
  }
  for (const [option, value] of featureOptions(superblock)) options[option]?.push(value);
  return [
    'mkfs.xfs',
    '-f',
    '-K',
    '-q',
    ...(small ? ['--unsupported'] : []),
    ...more,
    ...Object.entries(options).flatMap(([option, values]) => [option, values.join(',')]),
    ...(label === '' ? [] : ['-L', label]),
    device,
  ];
}

function stripeOptions({ stripeUnit, stripeWidth, blockBytes }: XfsSuperblock): string[] {
  if (stripeUnit === 0) return ['noalign'];
  const units = blockBytes / STRIPE_UNIT_BYTES;
  return [`sunit=${stripeUnit * units}`, `swidth=${stripeWidth * units}`];
}

function logOptions({ version, logVersion, logStripeBytes, features }: XfsSuperblock): string[] {
  const options = logStripeBytes > 1 ? [`su=${logStripeBytes}`] : [];
  if (version === 5) return options;
  return [...options, `version=${logVersion}`, `lazy-count=${features.includes('lazy-count') ? 1 : 0}`];
}

function featureOptions({ version, features }: XfsSuperblock): [option: string, value: string][] {
  const flag = (name: string): string => `${name}=${features.includes(name) ? 1 : 0}`;
  const naming: [string, string][] = features.includes('ascii-ci') ? [['-n', 'version=ci']] : [];
  if (version === 4) {
    return [
      ['-m', 'crc=0'],
      ['-n', flag('ftype')],
      ['-i', features.includes('attr2') ? 'attr=2' : 'attr=1'],
      ['-i', flag('projid32bit')],
      ...naming,
    ];
  }
  const settable = Object.entries(OPTION_OF)
    .filter(([name]) => !RECENT.has(name) || features.includes(name))
    .map(([name, option]): [string, string] => [option, flag(name)]);
  return [['-m', 'crc=1'], ...settable, ...naming];
}
