import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 10_000;
/** Some add one for a second port. */
const HIGHEST = 65_534;

/**
 * A TCP port of 127.0.0.1 that is free now, for a server that is ended and started again on it: one that the kernel gives to
 * nobody who asks for any port (ip(7), ip_local_port_range), so that no other program has it in between. Where the kernel
 * gives away all of them, it may be any.
 */
export async function stablePort(): Promise<number> {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  const [first = 0, last = 0] = range.trim().split(/\s+/).map(Number);
  const isGivenToNobody = (port: number): boolean => port < first || port > last;
  const all = Array.from({ length: HIGHEST + 1 - LOWEST }, (_, index) => LOWEST + index);
  const settled = all.filter(isGivenToNobody);
  const ports = settled.length > 0 ? settled : all;
  for (;;) {
    const port = ports[randomInt(ports.length)] as number;
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
