import { DiskferryError } from '@diskferry/system/errors';

/** The work was refused before anything was changed. Exit code 2. */
export class RefusedError extends DiskferryError {}

/** @throws {RefusedError} `NOT_ROOT` */
export function requireRoot(purpose: string): void {
  if (process.getuid?.() === 0) return;
  throw new RefusedError(
    'NOT_ROOT',
    `${purpose} needs root, for mounts and loop devices; try: sudo diskferry …`,
  );
}
