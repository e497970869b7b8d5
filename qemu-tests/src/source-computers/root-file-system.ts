/** What the root of a source computer can be. */
export type RootFileSystem = 'ext4' | 'xfs' | 'btrfs';

interface RootFacts {
  /** The command that makes it on a device, without the device. */
  readonly make: (uuid: string) => readonly [string, ...string[]];
  /** The module with which GRUB reads it. */
  readonly grubModule: string;
  /** The subvolume that is the root, as Debian's installer makes one on Btrfs. */
  readonly subvolume?: string;
}

const LABEL = 'ferry-root';

const FACTS: Readonly<Record<RootFileSystem, RootFacts>> = {
  ext4: {
    make: (uuid) => ['mke2fs', '-q', '-F', '-t', 'ext4', '-U', uuid, '-L', LABEL],
    grubModule: 'ext2',
  },
  xfs: {
    make: (uuid) => ['mkfs.xfs', '-q', '-f', '-m', `uuid=${uuid}`, '-L', LABEL],
    grubModule: 'xfs',
  },
  btrfs: {
    make: (uuid) => ['mkfs.btrfs', '-q', '-f', '-U', uuid, '-L', LABEL],
    grubModule: 'btrfs',
    subvolume: '@rootfs',
  },
};

export function rootFacts(type: RootFileSystem): RootFacts {
  return FACTS[type];
}

/** The path by which GRUB finds a folder of the system: it starts from the top of the file system. */
export function grubPath(type: RootFileSystem, path: string): string {
  const { subvolume } = FACTS[type];
  return subvolume === undefined ? path : `/${subvolume}${path}`;
}
