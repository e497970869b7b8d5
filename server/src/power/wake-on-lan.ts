import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { UsageError } from '@diskferry/system/errors';

/** The discard service, which nobody answers: what most cards and routers expect. */
const PORT = 9;
const MAC_BYTES = 6;
/** Of the address, behind six bytes of ones (AMD, Magic Packet Technology, publication 20213). */
const REPETITIONS = 16;
/** A frame may be lost, and nothing is answered. */
const TIMES = 3;

/**
 * The packet that wakes a computer whose card waits for it: 102 bytes.
 *
 * @throws {UsageError} for what is no MAC address
 */
export function magicPacket(mac: string): Buffer {
  const bytes = Buffer.from(mac.replaceAll(':', ''), 'hex');
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac) || bytes.length !== MAC_BYTES) {
    throw new UsageError(`"${mac}" is no MAC address`);
  }
  return Buffer.concat([Buffer.alloc(MAC_BYTES, 0xff), ...Array.from({ length: REPETITIONS }, () => bytes)]);
}

/**
 * Sends the packet into every network that this server is in. Whether a computer wakes is not known.
 *
 * @param addresses broadcast addresses; those of all own IPv4 networks by default
 */
export async function wake(
  mac: string,
  { addresses = broadcastAddresses(), port = PORT }: { addresses?: readonly string[]; port?: number } = {},
): Promise<void> {
  const packet = magicPacket(mac);
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve) => socket.bind(0, resolve));
    socket.setBroadcast(true);
    for (let time = 0; time < TIMES; time++) {
      for (const address of addresses) await send(socket, packet, port, address);
    }
  } finally {
    await new Promise<void>((resolve) => socket.close(resolve));
  }
}

async function send(
  socket: ReturnType<typeof createSocket>,
  packet: Buffer,
  port: number,
  address: string,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.send(packet, port, address, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** The last address of each network of this machine. */
export function broadcastAddresses(interfaces = networkInterfaces()): string[] {
  const found = Object.values(interfaces)
    .flatMap((list) => list ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address, netmask }) => lastOf(address, netmask));
  return [...new Set(found)];
}

function lastOf(address: string, netmask: string): string {
  const mask = netmask.split('.').map(Number);
  return address
    .split('.')
    .map((part, index) => Number(part) | (~(mask[index] ?? 0) & 0xff))
    .join('.');
}
