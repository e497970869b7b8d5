import { existsSync } from 'node:fs';
import { run } from '@diskferry/system/run';
import type { LoopbackDriverName } from '../simulated-disk.ts';
import { fuseDriver } from './fuse-driver.ts';
import type { LoopbackDriver } from './loopback-driver.ts';
import { nbdDriver } from './nbd-driver.ts';

/**
 * The loop-back driver of that name. `auto` takes `fuse`, which is tested most and lives in every kernel, and `nbd`
 * where there is no FUSE.
 */
export async function pickDriver(name: LoopbackDriverName): Promise<LoopbackDriver> {
  switch (name) {
    case 'fuse':
      return fuseDriver;
    case 'nbd':
      return nbdDriver;
    case 'auto':
      return (await hasFuse()) ? fuseDriver : nbdDriver;
  }
}

async function hasFuse(): Promise<boolean> {
  // Debian loads the module at the first mount by a user; on a plain server nobody did.
  if (!existsSync('/dev/fuse')) await run(['modprobe', 'fuse'], { okExitCodes: [0, 1] });
  return existsSync('/dev/fuse');
}
