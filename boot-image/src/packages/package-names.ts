/** A Debian package whose newest version depends on the real kernel package. */
export const KERNEL_METAPACKAGE = 'linux-image-amd64';

/** The packages that the boot image takes files from, besides the kernel. */
export const PACKAGE_NAMES = [
  'busybox-static',
  'libc6',
  'libstdc++6',
  'libgcc-s1',
  'libatomic1',
  'grub-pc-bin',
  'grub-efi-amd64-bin',
  'grub-efi-amd64-signed',
  'shim-signed',
] as const;

export type PackageName = (typeof PACKAGE_NAMES)[number];
