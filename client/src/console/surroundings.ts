import { readFileSync } from 'node:fs';
import type { StatusState } from '../status.ts';
import { readControllers } from './missing-hardware.ts';
import { parseUptime, readNetworkStates } from './network-state.ts';

/** What the secondary OS knows besides the client, read anew each time. */
export function readSurroundings(root: string): Pick<StatusState, 'network' | 'controllers' | 'uptime'> {
  return {
    network: readNetworkStates(root),
    controllers: readControllers(),
    uptime: parseUptime(readFileSync('/proc/uptime', 'utf8')),
  };
}
