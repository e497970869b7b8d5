/** The first sector of a disk with GRUB 2 in it, whose core is at that sector; all else is noise, which must stay. */
export function grubBootSector(coreLba: number): Buffer {
  const sector = Buffer.alloc(512, 0xa5);
  sector.fill(0, 0x03, 0x5a);
  sector.write('GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n\0', 0x180, 'latin1');
  sector.writeBigUInt64LE(BigInt(coreLba), 0x5c);
  return sector;
}

/** Stage1 of GRUB Legacy. */
export function legacyBootSector(): Buffer {
  const sector = grubBootSector(0);
  sector.set([3, 2], 0x3e);
  return sector;
}

/** A core of so many sectors whose rest is where the list says: u64 first sector, u16 sectors, u16 segment. */
export function grubCore(
  sectors: number,
  list: readonly (readonly [lba: number, sectors: number])[],
): Buffer {
  const core = Buffer.alloc(sectors * 512);
  for (let sector = 1; sector < sectors; sector++) core.fill(sector, sector * 512, (sector + 1) * 512);
  core.write('loading\0.\0\r\n\0Geom\0Read\0 Error\0', 0x11b, 'latin1');
  let segment = 0x820;
  for (const [index, [lba, count]] of list.entries()) {
    const offset = 500 - 12 * index;
    core.writeBigUInt64LE(BigInt(lba), offset);
    core.writeUInt16LE(count, offset + 8);
    core.writeUInt16LE(segment, offset + 10);
    segment += count * 32;
  }
  return core;
}
