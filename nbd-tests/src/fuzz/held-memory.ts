import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The engine counts buffers that it has freed only after some time, in ms. */
const SETTLING_MS = 300;

/** What this process really needs now, in bytes: its objects and the buffers outside of the heap. */
export async function heldMemory(): Promise<number> {
  collectGarbage();
  await sleep(SETTLING_MS);
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
