import type { DiskInfo } from '@diskferry/protocol/inventory';
import { formatSize } from './disk-size.ts';

const USUAL_SECTOR_SIZE = 512;

/** A disk in one line: "Samsung SSD 970 EVO, 500.1 GB, nvme, serial S466NX0M, wwn eui.0025385b91b0a3c1". */
export function describeDisk(disk: DiskInfo): string {
  return [
    disk.model ?? 'disk',
    formatSize(disk.size),
    ...diskTraits(disk),
    ...(disk.serial === undefined ? [] : [`serial ${disk.serial}`]),
    ...(disk.wwn === undefined ? [] : [`wwn ${disk.wwn}`]),
  ].join(', ');
}

/** What is special about a disk besides model, size and serial number. */
export function diskTraits({ transport, sectorSize, removable, readOnly }: DiskInfo): string[] {
  return [
    ...(transport === 'unknown' ? [] : [transport === 'file' ? 'plain file' : transport]),
    ...(sectorSize.logical === USUAL_SECTOR_SIZE ? [] : [`${sectorSize.logical}-byte sectors`]),
    ...(removable ? ['removable'] : []),
    ...(readOnly ? ['write-protected'] : []),
  ];
}
