import { setImmediate as turn } from 'node:timers/promises';
import type { Machine } from '@diskferry/server/qemu/machine';

/**
 * Presses the reset button.
 *
 * @returns where the serial line of the new start begins: what is behind it, the old system has not said
 */
export async function reset(machine: Machine): Promise<number> {
  // It may be drawing its screen in this moment, with words that are waited for from the next one.
  await machine.qmp({ execute: 'stop' });
  // What it said until then is read in the same turn as the answer, or before.
  await turn();
  const { end } = machine.serial;
  await machine.qmp({ execute: 'system_reset' });
  await machine.qmp({ execute: 'cont' });
  return end;
}
