/**
 * Loopback addresses are 127.0.0.0/8. The upper half is taken here, one address for each process id, of which there are
 * at most 2^22 (proc(5), pid_max).
 */
const UPPER_HALF = 64;
/** Ports for programs without a port of their own begin at 32768 (ip(7), ip_local_port_range): none of them is taken. */
const FIRST_PORT = 20_000;

let count = 0;

export interface OwnAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * An address of this process alone, other each time. A port that was found free, or that a server has given up for a
 * while, may be another program's a moment later; nothing else listens here, before a test does and after it.
 */
export function ownAddress(): OwnAddress {
  const { pid } = process;
  const host = `127.${UPPER_HALF + (pid >> 16)}.${(pid >> 8) & 0xff}.${pid & 0xff}`;
  return { host, port: FIRST_PORT + count++ };
}
