import type { Difference } from '../compare/difference.ts';
import { bytesToMove } from '../file-systems/bytes-to-move.ts';
import type { Signature } from '../file-systems/blkid.ts';
import { readAt, sizeOfDevice, withDevice } from '../file-systems/block-device.ts';
import { type Destination, examineDestination, type Suitability } from '../file-systems/destination.ts';
import type { CopyContext, FileSystem } from '../file-systems/file-system.ts';
import { sectorsFileSystem } from '../file-systems/sectors.ts';
import { type ContainerDriver, contextInside, type Inside } from './container.ts';
import { hasTarget } from './device-mapper.ts';
import { type LuksHeader, MOST_HEADER_BYTES, parseLuksHeader } from './luks-header.ts';
import { findKeySlot, formatVolume, withOpenVolume } from './luks-tools.ts';

const INSIDE = 'inside the encryption';

/** An encrypted volume that could be opened. */
interface Opened {
  readonly header: LuksHeader;
  readonly keySlot: number;
  readonly passphrase: string;
  /** What is in it. */
  readonly content: FileSystem;
}

/**
 * Examines an encrypted volume. With its passphrase it is opened, what is inside is copied like the contents of a partition,
 * and the twin is encrypted anew with the same passphrase. Without, it is copied as sectors.
 */
export const recogniseLuks: ContainerDriver = async (device, signature, inside) => {
  const size = await sizeOfDevice(device);
  const header = await readHeader(device);
  const asSectors = (reason: string): Promise<FileSystem> =>
    sectorsFileSystem(
      device,
      signature,
      `it is encrypted (LUKS${header.version}), and copied as sectors: ${reason}`,
    );
  const key = await findKey(device, header, inside);
  if ('reason' in key) return asSectors(key.reason);
  const content = await withOpenVolume(device, { ...inside, ...key }, inside.recognise);
  if (content.how === 'sectors') return asSectors(`inside, ${content.notes.join('; ')}`);
  const opened: Opened = { header, content, ...key };
  const suitability = (destination: Destination): Suitability => suitabilityOf(opened, destination);
  return {
    ...identityOf(signature),
    size,
    usedBytes: bytesToMove(content),
    smallestBytes: header.dataOffset + alignUp(content.smallestBytes, header.sectorBytes),
    how: 'files',
    notes: notesOf(opened),
    suitability,
    create: async (destination, context) => {
      await examineDestination(destination, suitability);
      await formatVolume(destination, opened, context);
      await withOpenVolume(destination, { ...context, ...key }, (path) =>
        content.create(path, contextOf(context)),
      );
    },
    copy: (source, destination, context) =>
      withBoth(key, { source, destination }, context, (from, to) =>
        content.copy(from, to, contextOf(context)),
      ),
    verify: (source, destination, context) => verifyVolume(opened, { source, destination }, context),
  };
};

function identityOf({ type, uuid, label }: Signature): Pick<FileSystem, 'type' | 'uuid' | 'label'> {
  return { type, uuid, label };
}

async function readHeader(device: string): Promise<LuksHeader> {
  const size = Math.min(MOST_HEADER_BYTES, await sizeOfDevice(device));
  return parseLuksHeader(await withDevice(device, 'read', (file) => readAt(file, 0, size)));
}

type Key = { readonly keySlot: number; readonly passphrase: string };

/** What opens the volume, or why it cannot be opened. */
async function findKey(
  device: string,
  header: LuksHeader,
  { passphrase }: Inside,
): Promise<Key | { readonly reason: string }> {
  if (header.obstacle !== undefined) return { reason: header.obstacle };
  if (passphrase === undefined) {
    return { reason: 'its files can be copied with its passphrase (--passphrase-file)' };
  }
  if (!(await hasTarget('crypt'))) {
    return { reason: 'the kernel of this server has no dm-crypt, which opens such volumes' };
  }
  const keySlot = await findKeySlot(device, { passphrase });
  if (keySlot === undefined) return { reason: 'the passphrase that was given does not open it' };
  return { keySlot, passphrase };
}

/** An opened volume has sectors at least as large as the unit of its encryption. */
function insideOf({ header }: Opened, { bytes, sectorBytes }: Destination): Destination {
  return {
    bytes: Math.max(0, bytes - header.dataOffset),
    sectorBytes: Math.max(header.sectorBytes, sectorBytes),
  };
}

function suitabilityOf(opened: Opened, destination: Destination): Suitability {
  const { sectorBytes } = opened.header;
  if (destination.bytes % sectorBytes !== 0) {
    const obstacle = `it is encrypted in sectors of ${sectorBytes} bytes, and ${destination.bytes} bytes are no multiple`;
    return { obstacle, changes: [] };
  }
  const { obstacle, changes } = opened.content.suitability(insideOf(opened, destination));
  const inside = changes.map((change) => `${INSIDE}: ${change}`);
  return obstacle === undefined
    ? { changes: inside }
    : { obstacle: `${INSIDE}: ${obstacle}`, changes: inside };
}

function notesOf({ header, content }: Opened): string[] {
  const others = header.keySlots.size - 1;
  return [
    `it is encrypted (LUKS${header.version}) and is opened with the passphrase; ` +
      `the copy of its contents (${content.type}) is encrypted with a new key and the same passphrase`,
    ...(others > 0
      ? [`${others} other passphrases or key files of it are not kept; add them with cryptsetup luksAddKey`]
      : []),
    ...(header.tokens.length > 0
      ? [`ways to open it without typing are not kept (${header.tokens.join(', ')}); enrol them again`]
      : []),
    ...content.notes.map((note) => `${INSIDE}: ${note}`),
  ];
}

/** What was never written reads as noise through the encryption. */
function contextOf(context: CopyContext): CopyContext {
  return { ...contextInside(context, INSIDE, 0), zeroed: false };
}

interface Sides {
  readonly source: string;
  readonly destination: string;
}

async function withBoth<T>(
  key: Key,
  { source, destination }: Sides,
  { session, signal }: CopyContext,
  work: (from: string, to: string) => Promise<T>,
): Promise<T> {
  const options = { session, signal, passphrase: key.passphrase };
  return withOpenVolume(source, options, (from) =>
    withOpenVolume(destination, options, (to) => work(from, to)),
  );
}

/** What a twin keeps. */
const KEPT = [
  'version',
  'uuid',
  'label',
  'subsystem',
  'cipher',
  'keyBytes',
  'sectorBytes',
  'dataOffset',
] as const;

async function verifyVolume(
  opened: Opened,
  sides: Sides,
  context: CopyContext,
): Promise<readonly Difference[]> {
  const made = await readHeader(sides.destination);
  const differences = KEPT.filter((name) => made[name] !== opened.header[name]).map((name) => ({
    path: '',
    property: `${name} of the encryption`,
    left: String(opened.header[name]),
    right: String(made[name]),
  }));
  const inside = await withBoth(opened, sides, context, (from, to) =>
    opened.content.verify(from, to, contextOf(context)),
  );
  return [...differences, ...inside];
}

function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
