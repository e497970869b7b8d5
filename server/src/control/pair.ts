import type { HostAddress } from '@diskferry/protocol/disk-address';
import {
  type ControlConnectionOptions,
  openControlConnection,
} from '@diskferry/server-adapter/control/control-connection';
import { DiskferryError } from '@diskferry/system/errors';
import type { Identity } from '@diskferry/trust/identity';
import { PairingServer } from '@diskferry/trust/pairing';
import { channelExporter, clientTls } from '@diskferry/trust/secure-context';
import { TrustError } from '@diskferry/trust/trust-error';
import { fetchInventory } from './fetch-inventory.ts';

/**
 * Pairs with an imaging client by the code on its screen: both sides know the other's key then.
 *
 * @param target its control channel
 * @returns the fingerprint of its key, which is to be pinned
 * @throws {TrustError} `PAIRING_FAILED` for a wrong code, or when somebody stands in between
 * @throws {DiskferryError} as openControlConnection; `PAIRING_DELAYED`, `PAIRING_UNAVAILABLE`
 */
export async function pair(
  target: HostAddress,
  code: string,
  identity: Identity,
  options: Omit<ControlConnectionOptions, 'tls'> = {},
): Promise<string> {
  let client = '';
  const tls = clientTls(identity, (fingerprint) => {
    // Nobody is believed yet: the exchange below proves whose key this is.
    client = fingerprint;
    return undefined;
  });
  const connection = await openControlConnection(target, { ...options, tls });
  try {
    if (connection.secured === undefined)
      throw new TrustError('PEER_UNKNOWN', 'the connection is not secured');
    const side = new PairingServer(code, {
      server: identity.fingerprint,
      client,
      exporter: channelExporter(connection.secured),
    });
    const { id, share } = await connection.ask({ type: 'pair', share: toHex(side.share) }, 'pair-share');
    const own = side.prove(Buffer.from(share, 'hex'));
    const { proof } = await connection.ask({ type: 'prove', id, proof: toHex(own) }, 'paired');
    side.verify(Buffer.from(proof, 'hex'));
    return client;
  } catch (error) {
    if (!(error instanceof DiskferryError && error.code === 'PAIRING_FAILED')) throw error;
    throw new TrustError('PAIRING_FAILED', error.message, { cause: error });
  } finally {
    connection.close();
  }
}

/**
 * Whether an imaging client still has the key that was pinned, and knows this server's.
 *
 * @throws {DiskferryError} as openControlConnection
 */
export async function isPaired(
  target: HostAddress,
  pinned: string,
  identity: Identity,
  options: Omit<ControlConnectionOptions, 'tls'> = {},
): Promise<boolean> {
  try {
    await fetchInventory(target, { ...options, tls: clientTls(identity, pinned) });
    return true;
  } catch (error) {
    const isAnother = error instanceof TrustError && error.code === 'PEER_CHANGED';
    const knowsUsNot = error instanceof DiskferryError && error.code === 'NOT_PAIRED';
    if (isAnother || knowsUsNot) return false;
    throw error;
  }
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
