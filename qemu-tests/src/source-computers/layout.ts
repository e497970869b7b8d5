import type { RootFileSystem } from './root-file-system.ts';

const MIB = 1024 * 1024;

export type SourceKind = 'bios-mbr' | 'uefi-gpt';

interface Range {
  /** Bytes. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

interface NumberedRange extends Range {
  /** Of the partition. */
  readonly number: number;
}

/** How the disk of a source computer is divided. */
export interface Layout {
  readonly sizeBytes: number;
  readonly root: NumberedRange;
  readonly rootFileSystem: RootFileSystem;
  readonly rootUuid: string;
  /** `bios-mbr` only. */
  readonly swap?: Range & { readonly uuid: string };
  /** `uefi-gpt` only. */
  readonly esp?: NumberedRange & { readonly serial: string };
  /** What sfdisk reads. */
  readonly script: string;
}

/** Room for the boot loader in front of the first partition, and for the backup GPT at the end. */
const EDGE = MIB;
const SWAP_BYTES = 128 * MIB;
const ESP_BYTES = 100 * MIB;
const SECTOR = 512;

/** The layout of a disk; its size is rounded down to whole MiB. */
export function layoutOf(
  kind: SourceKind,
  diskPath: string,
  sizeBytes: number,
  rootFileSystem: RootFileSystem = 'ext4',
): Layout {
  const size = sizeBytes - (sizeBytes % MIB);
  const layout = kind === 'bios-mbr' ? mbrLayout(diskPath, size) : gptLayout(size);
  return { ...layout, rootFileSystem };
}

/** Partition 1 is the root, 5 is swap inside the extended partition 2. */
function mbrLayout(diskPath: string, sizeBytes: number): Omit<Layout, 'rootFileSystem'> {
  const extendedBytes = EDGE + SWAP_BYTES;
  const root = { number: 1, start: EDGE, size: sizeBytes - EDGE - extendedBytes };
  const extended = { start: root.start + root.size, size: extendedBytes };
  const swap = { start: extended.start + EDGE, size: SWAP_BYTES };
  const script = [
    'label: dos',
    'label-id: 0x00fe4417',
    'unit: sectors',
    `${diskPath}1 : ${inSectors(root)}, type=83, bootable`,
    `${diskPath}2 : ${inSectors(extended)}, type=5`,
    `${diskPath}5 : ${inSectors(swap)}, type=82`,
  ].join('\n');
  const rootUuid = '5e1f0b10-0000-4000-8000-00000000b105';
  return {
    sizeBytes,
    root,
    rootUuid,
    swap: { ...swap, uuid: '5e1f0b10-0000-4000-8000-00000000b5aa' },
    script,
  };
}

function gptLayout(sizeBytes: number): Omit<Layout, 'rootFileSystem'> {
  const esp = { number: 1, start: EDGE, size: ESP_BYTES };
  const root = { number: 2, start: EDGE + ESP_BYTES, size: sizeBytes - EDGE - ESP_BYTES - EDGE };
  const script = [
    'label: gpt',
    'label-id: 5E1F0B10-0000-4000-8000-0000000006B7',
    'unit: sectors',
    `${inSectors(esp)}, type=U, uuid=5E1F0B10-0000-4000-8000-0000000000E1, name="EFI system"`,
    `${inSectors(root)}, type=L, uuid=5E1F0B10-0000-4000-8000-000000000007, name="Fähre", attrs="GUID:50"`,
  ].join('\n');
  const rootUuid = '5e1f0b10-0000-4000-8000-0000000000ef';
  return { sizeBytes, root, rootUuid, esp: { ...esp, serial: 'fe44e5b0' }, script };
}

function inSectors({ start, size }: Range): string {
  return `start=${start / SECTOR}, size=${size / SECTOR}`;
}
