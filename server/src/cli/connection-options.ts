import { controlPortOf, type HostAddress } from '@diskferry/protocol/disk-address';
import { UsageError } from '@diskferry/system/errors';
import type { ConnectionSecurity } from '@diskferry/trust/connection-security';
import { normalisePairingCode } from '@diskferry/trust/pairing-code';
import type { RemoteSource } from '../attach/disk-source.ts';
import { isPaired, pair } from '../control/pair.ts';
import { findKnownClient, type KnownClient, rememberClient } from '../identity/known-clients.ts';
import { identityFolder, serverIdentity } from '../identity/server-identity.ts';
import { RefusedError } from '../refused-error.ts';
import { type CliOption, type Invocation, portOption, secondsOption } from './command.ts';
import { printNote } from './output.ts';

export const CONTROL_PORT_OPTION: CliOption = {
  name: 'control-port',
  value: 'PORT',
  help: 'port of its control channel (default: the one after that of its disks)',
};

/** Options of every command that connects to another computer. */
export const CONNECTION_OPTIONS: readonly CliOption[] = [
  { name: 'pair', value: 'CODE', help: 'pair with the computer first, by the code that its screen shows' },
  { name: 'insecure', help: 'connect in plain text, to a client or NBD server that proves nothing' },
  CONTROL_PORT_OPTION,
];

/** How a computer is reached. */
interface Connection {
  readonly security: ConnectionSecurity;
  readonly controlPort: number;
}

/**
 * How to connect to a computer: in plain text if the user says so, else with the key that it was paired with, now or
 * earlier.
 *
 * @throws {RefusedError} `NOT_PAIRED`
 * @throws {TrustError} `PAIRING_FAILED`
 */
export async function connectionTo(address: HostAddress, invocation: Invocation): Promise<Connection> {
  const { flags, values } = invocation;
  const code = values.get('pair');
  const chosenPort = portOption(invocation, 'control-port');
  if (flags.has('insecure')) {
    if (values.has('pair')) throw new UsageError('--pair and --insecure exclude each other');
    return { security: { kind: 'insecure' }, controlPort: chosenPort ?? controlPortOf(address.port) };
  }
  const known = findKnownClient(address);
  const controlPort = chosenPort ?? known?.controlPort ?? controlPortOf(address.port);
  if (code !== undefined) {
    const fingerprint = await pairNow({ ...address, controlPort }, code, invocation);
    return { security: pinned(fingerprint), controlPort };
  }
  if (known === undefined) {
    throw new RefusedError(
      'NOT_PAIRED',
      `this server has not paired with ${address.host} port ${address.port}; give the code that its screen shows with ` +
        '--pair CODE, or --insecure if its screen says INSECURE or it is an NBD server in plain text',
    );
  }
  return { security: pinned(known.fingerprint), controlPort };
}

/** The same for a disk; unix sockets do not leave this machine and need no protection. */
export async function connectionToDisk(source: RemoteSource, invocation: Invocation): Promise<RemoteSource> {
  const { address } = source;
  if (address.transport === 'unix') return source;
  return { ...source, ...(await connectionTo(address, invocation)) };
}

/**
 * Pairs with a computer and remembers its key, unless both know each other already.
 *
 * @returns its fingerprint
 * @throws {TrustError} `PAIRING_FAILED`
 */
export async function pairNow(
  { host, port, controlPort }: Omit<KnownClient, 'fingerprint'>,
  code: string,
  invocation: Invocation,
): Promise<string> {
  if (normalisePairingCode(code) === undefined) {
    throw new UsageError(
      `a pairing code has 8 letters and digits, as on the computer's screen, not "${code}"`,
    );
  }
  const target = { host, port: controlPort };
  const identity = await serverIdentity();
  const options = { signal: invocation.signal, timeoutMs: secondsOption(invocation, 'timeout') };
  const known = findKnownClient({ host, port })?.fingerprint;
  // So that a command can be given again as it was, though its code is used up.
  if (known !== undefined && (await isPaired(target, known, identity, options))) return known;
  const fingerprint = await pair(target, code, identity, options);
  rememberClient({ host, port, controlPort, fingerprint });
  printNote(`paired with ${host}; its key has the fingerprint ${fingerprint}`);
  return fingerprint;
}

function pinned(fingerprint: string): ConnectionSecurity {
  return { kind: 'pinned', identityFolder: identityFolder(), fingerprint };
}
