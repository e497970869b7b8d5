import { join } from 'node:path';
import { SERVER_COMMON_NAME } from '@diskferry/trust/connection-security';
import { type Identity, loadOrCreateIdentity } from '@diskferry/trust/identity';
import { stateFolder } from '../serve/state-folder.ts';

/** Where the key is kept by which imaging clients know this server. */
export function identityFolder(): string {
  return join(stateFolder(), 'identity');
}

/**
 * The key by which imaging clients know this server, made at first use.
 *
 * @throws {TrustError} `IDENTITY_DAMAGED`
 */
export async function serverIdentity(): Promise<Identity> {
  return loadOrCreateIdentity(identityFolder(), SERVER_COMMON_NAME);
}
