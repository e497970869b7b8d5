/**
 * The root file system of the secondary OS is stacked from compressed read-only images, so that a build compresses
 * anew only what changed. The order is that of the stack, uppermost first; no file is in two of them.
 */
export const LAYERS = ['system', 'client', 'drivers'] as const;

export type Layer = (typeof LAYERS)[number];
