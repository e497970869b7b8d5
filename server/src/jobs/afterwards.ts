/** What a computer does when the work on it is done. */
export const AFTERWARDS = ['local-disk', 'power-off', 'standby'] as const;
export type Afterwards = (typeof AFTERWARDS)[number];
