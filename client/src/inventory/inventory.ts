import { readFileSync } from 'node:fs';
import type { Inventory } from '@diskferry/protocol/inventory';
import type { DiskList } from '../disks/disk-list.ts';
import { readComputer } from './computer.ts';
import { deviceReader } from './devices.ts';
import { parseMemoryBytes } from './memory.ts';
import { readNics } from './nics.ts';
import { parseProcessors } from './processors.ts';

/**
 * What this computer is made of. Disks, links, addresses and drivers are read anew each time, because they change; the
 * rest once: /proc/cpuinfo asks every processor for its clock, which takes long where there are hundreds.
 */
export function inventoryReader(listDisks: DiskList): () => Inventory {
  const lasting = {
    computer: readComputer(),
    processors: parseProcessors(readFileSync('/proc/cpuinfo', 'utf8')),
    memoryBytes: parseMemoryBytes(readFileSync('/proc/meminfo', 'utf8')),
  };
  const listDevices = deviceReader();
  return () => ({
    ...lasting,
    nics: readNics(),
    disks: listDisks().map(({ info }) => info),
    devices: listDevices(),
  });
}
