import { connect, type NetConnectOpts } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
/** Far more than anything here needs; what waits so long has failed. */
const BOUND_MS = 120_000;

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
export function accepts(port: number, host: string): Promise<boolean> {
  return canConnect({ port, host });
}

/** Whether something listens on a unix socket, which is there a moment before. */
export function acceptsOn(socketPath: string): Promise<boolean> {
  return canConnect({ path: socketPath });
}

function canConnect(target: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(target);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
