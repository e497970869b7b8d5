import { readFileSync } from 'node:fs';
import type { Inventory } from '@diskferry/protocol/inventory';
import type { DiskList } from '../disks/disk-list.ts';
import { readComputer } from './computer.ts';
import { parseMemoryBytes } from './memory.ts';
import { readNics } from './nics.ts';
import { parseProcessors } from './processors.ts';

/** What this computer is made of, now. Read anew each time: disks, links and addresses change. */
export function readInventory(listDisks: DiskList): Inventory {
  return {
    computer: readComputer(),
    processors: parseProcessors(readFileSync('/proc/cpuinfo', 'utf8')),
    memoryBytes: parseMemoryBytes(readFileSync('/proc/meminfo', 'utf8')),
    nics: readNics(),
    disks: listDisks().map(({ info }) => info),
  };
}
