import { readAt, sizeOfDevice, withDevice } from '../file-systems/block-device.ts';
import { DIRECTORY_ENTRY_BYTES, offsetOfCluster } from '../file-systems/fat-geometry.ts';
import { type FatNode, readVolume } from '../file-systems/fat-volume.ts';
import type { VolumeFiles } from './volume-files.ts';

/** Where an entry of a long name has its 13 UTF-16 characters (Microsoft's fatgen103, "FAT Long Directory Entries"). */
const LONG_NAME_PARTS: readonly (readonly [start: number, end: number])[] = [
  [1, 11],
  [14, 26],
  [28, 32],
];

/** In a short entry: which parts of the name Windows NT and all after it show in lower case. */
const CASE_OFFSET = 12;
const LOWER_CASE_BASE = 0x08;
const LOWER_CASE_EXTENSION = 0x10;

/** Shows the files of a FAT volume, which no kernel driver is needed for, to `work`. */
export async function withFatFiles<T>(device: string, work: (files: VolumeFiles) => Promise<T>): Promise<T> {
  const size = await sizeOfDevice(device);
  return withDevice(device, 'read', async (file) => {
    const { root, geometry } = await readVolume(file, size);
    const find = (
      path: string,
    ): { readonly node?: FatNode; readonly children: readonly FatNode[] } | undefined => {
      let here: { readonly node?: FatNode; readonly children: readonly FatNode[] } = { children: root };
      for (const name of path.split('/').filter((part) => part !== '')) {
        const node = here.children.find((child) => isNamed(child, name));
        if (node === undefined) return undefined;
        here = { node, children: node.children };
      }
      return here;
    };
    return work({
      list: async (folder) =>
        (find(folder)?.children ?? [])
          .filter(({ item: { kind } }) => kind === 'file' || kind === 'folder')
          .map(nameOf)
          .toSorted(),
      read: async (path) => {
        const node = find(path)?.node;
        if (node?.item.kind !== 'file') return undefined;
        const pieces: Buffer[] = [];
        for (const { first, count } of node.chain) {
          pieces.push(await readAt(file, offsetOfCluster(geometry, first), count * geometry.clusterSize));
        }
        return Buffer.concat(pieces).subarray(0, node.item.size);
      },
      has: async (path) => find(path) !== undefined,
    });
  });
}

function isNamed(node: FatNode, name: string): boolean {
  const wanted = name.toUpperCase();
  return nameOf(node).toUpperCase() === wanted || node.item.name.toUpperCase() === wanted;
}

/** The long name, or the short one where there is none, in lower case where its entry says so. */
function nameOf({ item: { slots, name } }: FatNode): string {
  let long = '';
  for (let offset = 0; offset < slots.length - DIRECTORY_ENTRY_BYTES; offset += DIRECTORY_ENTRY_BYTES) {
    const entry = slots.subarray(offset, offset + DIRECTORY_ENTRY_BYTES);
    // The last part of the name comes first.
    long = LONG_NAME_PARTS.map(([start, end]) => entry.toString('utf16le', start, end)).join('') + long;
  }
  const [end = ''] = long.split('\0');
  return end === '' ? inCase(name, slots.readUInt8(slots.length - DIRECTORY_ENTRY_BYTES + CASE_OFFSET)) : end;
}

function inCase(name: string, flags: number): string {
  const [base = '', extension] = name.split('.');
  const first = (flags & LOWER_CASE_BASE) === 0 ? base : base.toLowerCase();
  if (extension === undefined) return first;
  return `${first}.${(flags & LOWER_CASE_EXTENSION) === 0 ? extension : extension.toLowerCase()}`;
}
