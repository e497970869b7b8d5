/**
 * The root file system of the secondary OS is stacked from compressed read-only images, so that a build compresses
 * anew only what changed. The order is that of the stack, uppermost first; no file is in two of them.
 */
export const LAYERS = ['system', 'client', 'drivers'] as const;

export type Layer = (typeof LAYERS)[number];

/**
 * Layers that an image has on request, uppermost first, above the others: the drivers that are not in the lists, and
 * firmware. Each can be an archive of its own, which a boot loader loads behind the initrd.
 */
export const OPTIONAL_LAYERS = ['firmware', 'extra-drivers'] as const;

export type OptionalLayer = (typeof OPTIONAL_LAYERS)[number];
