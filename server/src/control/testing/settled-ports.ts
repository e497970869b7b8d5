import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** What the kernel takes ports from for whoever asks for any, or connects: 32768 to 60999, as a rule; see ip(7). */
const HANDED_OUT = '/proc/sys/net/ipv4/ip_local_port_range';
/** Below are ports of well-known services. */
const LOWEST = 20_000;
const ATTEMPTS = 100;

export interface SettledPorts {
  readonly port: number;
  readonly controlPort: number;
}

/**
 * Free ports of the loopback address for an imaging client that is ended and started again: outside the range from which
 * the kernel takes ports, so that no other program gets them meanwhile.
 */
export async function settledPorts(): Promise<SettledPorts> {
  const [first = 0] = readFileSync(HANDED_OUT, 'utf8').split(/\s+/).map(Number);
  if (first - LOWEST < ATTEMPTS) throw new Error(`${HANDED_OUT} begins at ${first}: too few ports are left`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(LOWEST, first - 1);
    if ((await isFree(port)) && (await isFree(port + 1))) return { port, controlPort: port + 1 };
  }
  throw new Error(`${ATTEMPTS} pairs of ports between ${LOWEST} and ${first} were taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
