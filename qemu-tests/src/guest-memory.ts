import { setInterval } from 'node:timers/promises';
import type { Machine } from '@diskferry/server/qemu/machine';

const DEVICE = 'balloon';
const DEVICE_PATH = `/machine/peripheral/${DEVICE}`;
const SAMPLE_MS = 500;
/** The guest answers once a second, which is the shortest interval. */
const POLL_SECONDS = 1;

/** Gives a machine the device through which its kernel tells how much memory is left. */
export const MEMORY_ARGUMENTS: readonly string[] = ['-device', `virtio-balloon-pci,id=${DEVICE}`];

/** Memory of a guest, in bytes. */
export interface GuestMemory {
  readonly total: number;
  /** The least that programs could still have had. */
  readonly leastAvailable: number;
}

/** Watches the memory of a machine until `work` ends; undefined if its kernel told nothing. */
export async function watchMemory(
  machine: Machine,
  work: () => Promise<void>,
): Promise<GuestMemory | undefined> {
  await machine.qmp({
    execute: 'qom-set',
    arguments: { path: DEVICE_PATH, property: 'guest-stats-polling-interval', value: POLL_SECONDS },
  });
  const ended = new AbortController();
  const watching = sample(machine, ended.signal);
  try {
    await work();
  } finally {
    ended.abort();
  }
  return watching;
}

async function sample(machine: Machine, signal: AbortSignal): Promise<GuestMemory | undefined> {
  let least: GuestMemory | undefined;
  try {
    for await (const _ of setInterval(SAMPLE_MS, undefined, { signal })) {
      const now = await readMemory(machine);
      if (now !== undefined && (least === undefined || now.leastAvailable < least.leastAvailable))
        least = now;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return least;
}

async function readMemory(machine: Machine): Promise<GuestMemory | undefined> {
  const answer = (await machine.qmp({
    execute: 'qom-get',
    arguments: { path: DEVICE_PATH, property: 'guest-stats' },
  })) as { stats: Readonly<Record<string, number>> };
  const total = answer.stats['stat-total-memory'] ?? 0;
  const available = answer.stats['stat-available-memory'] ?? 0;
  // What the guest has not told yet is all ones.
  const isTold = total > 0 && total < Number.MAX_SAFE_INTEGER && available <= total;
  return isTold ? { total, leastAvailable: available } : undefined;
}
