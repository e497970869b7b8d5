import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 10_000;

/**
 * A TCP port of 127.0.0.1 that is free now, for a server that is ended and started again on it: one that the kernel gives to
 * nobody who asks for any port (ip(7), ip_local_port_range), so that no other program has it in between.
 */
export async function stablePort(): Promise<number> {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  const above = Number(range.trim().split(/\s+/)[0]);
  for (;;) {
    const port = randomInt(LOWEST, above);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
