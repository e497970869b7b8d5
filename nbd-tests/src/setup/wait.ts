import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
/** Far more than anything here needs; what waits so long has failed. */
const BOUND_MS = 30_000;

/**
 * Waits until something is so, for programs that tell of it in no other way.
 *
 * @throws {Error} after `boundMs` without it
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  boundMs = BOUND_MS,
): Promise<void> {
  const deadline = performance.now() + boundMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${boundMs / 1000} s`);
    await sleep(POLL_MS);
  }
}

/** Whether something listens there. */
export function accepts(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
