import { run } from '@diskferry/system/run';
import { RefusedError } from '../refused-error.ts';
import type { WireInterface } from './wire-interface.ts';

/** DHCP, TFTP, and DHCP of boot servers (PXE specification 2.1, 2.2.3). */
export const DNSMASQ_PORTS = [67, 69, 4011] as const;

/** One line of `ss`: who listens where. */
interface Listener {
  /** "*", "0.0.0.0", "[::]" or an address. */
  readonly address: string;
  /** The socket hears this interface only. */
  readonly device: string | undefined;
  readonly port: number;
  /** Such as "dhcpd (process 812)". */
  readonly owner: string;
}

/** `UNCONN 0 0 0.0.0.0%eth0:67 0.0.0.0:* users:(("dhcpd",pid=812,fd=9))` */
const LINE =
  /^\S+\s+\d+\s+\d+\s+(\[[^\]]*\]|[^%:\s]*)(?:%([^:\s]+))?:(\d+)\s+\S+(?:\s+users:\(\("([^"]*)",pid=(\d+))?/;
const ANY_ADDRESS = ['*', '0.0.0.0', '[::]'];

/**
 * Refuses where another program of this machine already answers the machines of that interface. One that is bound to another
 * interface, as that of virtual networks, does not disturb.
 *
 * @throws {RefusedError} `PORT_IN_USE`
 */
export async function requireFreePorts({ name, address }: WireInterface): Promise<void> {
  const filter = DNSMASQ_PORTS.map((port) => `sport = :${port}`).join(' or ');
  const { stdout } = await run(['ss', '-H', '-u', '-l', '-n', '-p', filter]);
  const taken = parseListeners(stdout).find((listener) => disturbs(listener, name, address));
  if (taken === undefined) return;
  throw new RefusedError(
    'PORT_IN_USE',
    `UDP port ${taken.port} is in use on ${name} by ${taken.owner}. The PXE server cannot share a machine and an interface ` +
      'with another DHCP, TFTP or PXE server: end that one, or serve from another machine on the same wire',
  );
}

/** Reads what `ss -H -u -l -n -p` prints. */
export function parseListeners(text: string): Listener[] {
  return text
    .split('\n')
    .map((line) => LINE.exec(line))
    .filter((match) => match !== null)
    .map(([, address = '', device, port, program, pid]) => ({
      address,
      device,
      port: Number(port),
      owner: program === undefined ? 'a program of somebody else' : `${program} (process ${pid})`,
    }));
}

function disturbs({ address, device }: Listener, name: string, own: string): boolean {
  return device === undefined ? ANY_ADDRESS.includes(address) || address === own : device === name;
}
