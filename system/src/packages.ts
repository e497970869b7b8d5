/** Debian package of each external program, to tell the user what to install. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  blkid: 'util-linux',
  cp: 'coreutils',
  cpio: 'cpio',
  debugfs: 'e2fsprogs',
  dumpe2fs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  fstrim: 'util-linux',
  'grub-mkimage': 'grub-common',
  losetup: 'mount',
  mattrib: 'mtools',
  mcopy: 'mtools',
  mdir: 'mtools',
  mformat: 'mtools',
  minfo: 'mtools',
  mke2fs: 'e2fsprogs',
  'mkfs.fat': 'dosfstools',
  mkswap: 'util-linux',
  mksquashfs: 'squashfs-tools',
  mlabel: 'mtools',
  mmd: 'mtools',
  mmdebstrap: 'mmdebstrap',
  modprobe: 'kmod',
  mount: 'mount',
  nbdcopy: 'libnbd-bin',
  'nbd-client': 'nbd-client',
  nbdinfo: 'libnbd-bin',
  nbdkit: 'nbdkit',
  'nbd-server': 'nbd-server',
  partclone: 'partclone',
  'partclone.extfs': 'partclone',
  'qemu-img': 'qemu-utils',
  'qemu-nbd': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  rsync: 'rsync',
  sfdisk: 'fdisk',
  swaplabel: 'util-linux',
  tune2fs: 'e2fsprogs',
  umount: 'mount',
  xorriso: 'xorriso',
  zstd: 'zstd',
};

/** A hint such as "install it with: apt-get install qemu-utils", or undefined for an unknown program. */
export function installHint(program: string): string | undefined {
  const name = PACKAGE_OF[program];
  return name === undefined ? undefined : `install it with: apt-get install ${name}`;
}
