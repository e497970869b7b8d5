import type { Disk } from '@diskferry/protocol/disk';

/** For wrappers that move no bytes: `extents` of the disk below, where it has them. */
export function extentsOf(below: Disk): Pick<Disk, 'extents'> {
  return below.extents === undefined ? {} : { extents: below.extents.bind(below) };
}
