import { loadOrCreateIdentity } from './identity.ts';
import { type ClientTls, clientTls } from './secure-context.ts';

/** The common name in certificates of imaging servers; for people who look, nobody checks it. */
export const SERVER_COMMON_NAME = 'diskferry server';

/** How a connection is protected; plain data, which can be handed to another process. */
export type ConnectionSecurity =
  /** Plain text, and nobody proves anything. */
  | { readonly kind: 'insecure' }
  /** TLS with the identity kept in a folder, and only with the side that has that key. */
  | { readonly kind: 'pinned'; readonly identityFolder: string; readonly fingerprint: string };

/**
 * What TLS needs for a connection; undefined for one in plain text.
 *
 * @throws {TrustError} `IDENTITY_DAMAGED`
 */
export async function tlsOf(security: ConnectionSecurity): Promise<ClientTls | undefined> {
  switch (security.kind) {
    case 'insecure':
      return undefined;
    case 'pinned':
      return clientTls(
        await loadOrCreateIdentity(security.identityFolder, SERVER_COMMON_NAME),
        security.fingerprint,
      );
  }
}
