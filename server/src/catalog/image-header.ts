import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';

/** As many bytes of a file as are needed here. A description in a VMDK stands at its second sector and has 20 of them. */
export const HEAD_BYTES = 64 * 1024;
const SECTOR = 512;

/** What a file is by its first bytes: an image that can be used, or something that is refused for a reason. */
export type Recognised = { readonly format: ImageFormat } | { readonly refusal: string };

interface Signature {
  readonly at: number;
  readonly bytes: string;
  readonly means: Recognised;
}

const ARCHIVE = { refusal: 'it is an archive or compressed; unpack it first' } as const;
const OTHER_DISK = {
  refusal: 'diskferry does not use this format; convert it first: qemu-img convert -O qcow2 OLD NEW',
} as const;

/** The first bytes of formats, as hexadecimal digits. */
const SIGNATURES: readonly Signature[] = [
  // QEMU, docs/interop/qcow2.txt: "QFI" 0xfb and the version.
  { at: 0, bytes: '514649fb00000002', means: { format: 'qcow2' } },
  { at: 0, bytes: '514649fb00000003', means: { format: 'qcow2' } },
  { at: 0, bytes: '514649fb', means: OTHER_DISK },
  // VMware, Virtual Disk Format 5.0: "KDMV"; the older "COWD"; a text that names other files.
  { at: 0, bytes: '4b444d56', means: { format: 'vmdk' } },
  { at: 0, bytes: '434f5744', means: OTHER_DISK },
  {
    at: 0,
    bytes: hex('# Disk DescriptorFile'),
    means: {
      refusal:
        'it is the description of a VMDK whose data is in other files; make one file of them: ' +
        'qemu-img convert -O vmdk OLD NEW',
    },
  },
  // MS-VHDX 2.2.1, MS-VHD (a copy of its footer at the start), VirtualBox VDICore.h.
  { at: 0, bytes: hex('vhdxfile'), means: { format: 'vhdx' } },
  { at: 0, bytes: hex('conectix'), means: OTHER_DISK },
  { at: 0x40, bytes: '7f10dabe', means: { format: 'vdi' } },
  { at: 0, bytes: '51454400', means: OTHER_DISK },
  { at: 0, bytes: '4c554b53babe', means: { refusal: 'it is encrypted (LUKS); decrypt it first' } },
  { at: 0, bytes: '1f8b', means: ARCHIVE },
  { at: 0, bytes: 'fd377a585a00', means: ARCHIVE },
  { at: 0, bytes: '28b52ffd', means: ARCHIVE },
  { at: 0, bytes: hex('BZh'), means: ARCHIVE },
  { at: 0, bytes: '504b0304', means: ARCHIVE },
  { at: 0, bytes: '377abcaf271c', means: ARCHIVE },
  // POSIX tar; an OVA is one.
  { at: 257, bytes: hex('ustar'), means: ARCHIVE },
];

/**
 * What a file is, by its contents alone: nothing that is named in them is opened.
 *
 * @param head its first bytes, `HEAD_BYTES` if it has so many
 */
export function recogniseImage(head: Buffer, size: number): Recognised {
  if (size === 0) return { refusal: 'it is empty' };
  const found = SIGNATURES.find(({ at, bytes }) => {
    const length = bytes.length / 2;
    return head.length >= at + length && head.toString('hex', at, at + length) === bytes;
  });
  const recognised = found?.means ?? ({ format: 'raw' } as const);
  if ('refusal' in recognised) return recognised;
  const refusal = refusalOf(head, size, recognised.format);
  return refusal === undefined ? recognised : { refusal };
}

/**
 * Why an image of that format cannot be used, by its header; undefined if nothing speaks against it. An image is one file:
 * one that refers to others is refused before any program reads it, for such a program would open whatever file of this
 * server is named there.
 */
export function refusalOf(head: Buffer, size: number, format: ImageFormat): string | undefined {
  switch (format) {
    case 'qcow2':
      return refuseQcow2(head);
    case 'vmdk':
      return refuseVmdk(head);
    case 'raw':
      return size % SECTOR === 0
        ? undefined
        : `it is no disk: ${size} bytes are no whole number of sectors, and no format of images is recognised`;
    case 'vdi':
      return refuseVdi(head, size);
    // QEMU opens no other file for it: it refuses one that has a parent.
    case 'vhdx':
      return undefined;
  }
}

const REFERS = 'an image of the catalog is one file; make one of them: qemu-img convert -O qcow2 OLD NEW';
/** QEMU, docs/interop/qcow2.txt: places in the header, and bit 2 of the incompatible features. */
const QCOW2 = {
  version: 4,
  backingOffset: 8,
  cryptMethod: 32,
  incompatible: 72,
  externalData: 1n << 2n,
} as const;
const QCOW2_HEADER_BYTES = 104;

function refuseQcow2(head: Buffer): string | undefined {
  if (head.length < QCOW2_HEADER_BYTES) return 'it is cut short: its header is not whole';
  if (head.readBigUInt64BE(QCOW2.backingOffset) !== 0n) return `it has a backing file; ${REFERS}`;
  if (head.readUInt32BE(QCOW2.cryptMethod) !== 0) return 'it is encrypted; decrypt it first';
  // Version 2 has no such field: what stands there is something else.
  const isVersion3 = head.readUInt32BE(QCOW2.version) === 3;
  if (isVersion3 && (head.readBigUInt64BE(QCOW2.incompatible) & QCOW2.externalData) !== 0n) {
    return `its data is in another file; ${REFERS}`;
  }
  return undefined;
}

/** VMware, Virtual Disk Format 5.0, "SparseExtentHeader": little-endian, places in sectors. */
const VMDK = { capacity: 12, descriptorOffset: 28, descriptorSize: 36 } as const;
const VMDK_HEADER_BYTES = 79;
const NO_PARENT = 0xffffffff;
const ONE_FILE = new Set(['monolithicSparse', 'streamOptimized']);

function refuseVmdk(head: Buffer): string | undefined {
  if (head.length < VMDK_HEADER_BYTES) return 'it is cut short: its header is not whole';
  // QEMU takes the description of such a file for one that names others.
  if (head.readBigUInt64LE(VMDK.capacity) === 0n) return `its data is in other files; ${REFERS}`;
  const start = head.readBigUInt64LE(VMDK.descriptorOffset) * BigInt(SECTOR);
  if (start === 0n) return `it is one part of several; ${REFERS}`;
  const end = start + head.readBigUInt64LE(VMDK.descriptorSize) * BigInt(SECTOR);
  if (end > BigInt(head.length)) return 'its description is not where it should be';
  const description = head.toString('latin1', Number(start), Number(end));
  if (!/^\s*parentCID\s*=/im.test(description)) return `it is one part of several; ${REFERS}`;
  if (/^\s*parentFileNameHint/im.test(description)) return `it has a backing file; ${REFERS}`;
  const parent = /^\s*parentCID\s*=\s*([0-9a-f]{1,8})\s*$/im.exec(description)?.[1] ?? '';
  if (Number.parseInt(parent, 16) !== NO_PARENT) return `it has a backing file; ${REFERS}`;
  const kind = /^\s*createType\s*=\s*"([^"]*)"/im.exec(description)?.[1] ?? '';
  if (!ONE_FILE.has(kind)) return `it is a VMDK of the kind ${JSON.stringify(kind)}; ${REFERS}`;
  const extents = description.match(/^\s*(RW|RDONLY|NOACCESS)\s+\d+/gm) ?? [];
  return extents.length === 1 ? undefined : `its data is in ${extents.length} files; ${REFERS}`;
}

/** VirtualBox, VDICore.h, "VDIHEADER1" behind the signature and version: little-endian, in bytes. */
const VDI = { type: 0x4c, dataOffset: 0x158, blockSize: 0x178, blocksAllocated: 0x184 } as const;
const VDI_HEADER_BYTES = 0x188;
/** Dynamic and fixed; the others need another file. */
const VDI_WHOLE = [1, 2];

function refuseVdi(head: Buffer, size: number): string | undefined {
  if (head.length < VDI_HEADER_BYTES) return 'it is cut short: its header is not whole';
  if (!VDI_WHOLE.includes(head.readUInt32LE(VDI.type))) return `it has a backing file; ${REFERS}`;
  // qemu-img check looks at the table of blocks, and not whether they are there.
  const blocks = head.readUInt32LE(VDI.blocksAllocated) * head.readUInt32LE(VDI.blockSize);
  const end = head.readUInt32LE(VDI.dataOffset) + blocks;
  return size >= end ? undefined : `it is cut short: it has ${size} bytes, by its header it has ${end}`;
}

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}
