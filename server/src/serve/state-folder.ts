import { homedir } from 'node:os';
import { join } from 'node:path';

/** What must survive a restart of the machine: DISKFERRY_STATE, else root's place or the user's. */
export function stateFolder(): string {
  const chosen = process.env['DISKFERRY_STATE'];
  if (chosen !== undefined && chosen !== '') return chosen;
  return process.getuid?.() === 0 ? '/var/lib/diskferry' : join(homedir(), '.local/state/diskferry');
}
