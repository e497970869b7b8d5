import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { fingerprintOf } from './fingerprint.ts';
import type { Identity } from './identity.ts';
import { TrustError } from './trust-error.ts';

/** What a program needs to enter TLS as the side that connects. */
export interface ClientTls {
  readonly secureContext: SecureContext;
  /** Called after the handshake; with an error, the connection must end. */
  verify(socket: TLSSocket): Error | undefined;
}

/** The options of `tls`, `https` and their servers that show this identity; TLS 1.3 only: nothing older is spoken here. */
export function secureOptionsOf({ key, certificate }: Pick<Identity, 'key' | 'certificate'>) {
  return { key, cert: certificate, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
}

/** The same for a TLSSocket. */
export function secureContextFor(identity: Pick<Identity, 'key' | 'certificate'>): SecureContext {
  return createSecureContext(secureOptionsOf(identity));
}

/**
 * Shows this identity and takes only the other side that is expected: by its fingerprint, or by what a function says to it.
 * Whoever uses it must ask TLS not to reject by itself, because no authority vouches for the certificates.
 */
export function clientTls(
  identity: Identity,
  expected: string | ((fingerprint: string) => Error | undefined),
): ClientTls {
  const check = typeof expected === 'string' ? (seen: string) => compare(seen, expected) : expected;
  return {
    secureContext: secureContextFor(identity),
    verify: (socket) => {
      const fingerprint = peerFingerprint(socket);
      return fingerprint === undefined
        ? new TrustError('PEER_UNKNOWN', 'the other side showed no certificate')
        : check(fingerprint);
    },
  };
}

/** The fingerprint of the key that the other side proved to have; undefined if it showed none. */
export function peerFingerprint(socket: TLSSocket): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : fingerprintOf(certificate);
}

/** The `tls-exporter` of RFC 9266, section 2: bytes that only the two ends of this very session know. */
export function channelExporter(socket: TLSSocket): Buffer {
  return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
}

function compare(seen: string, expected: string): TrustError | undefined {
  if (seen === expected) return undefined;
  return new TrustError(
    'PEER_CHANGED',
    `that computer shows another key than the one it was paired with: ${seen} instead of ${expected}. If it was started ` +
      'anew since, it has a new key: compare the fingerprint on its screen and pair again with --pair CODE. If not, somebody may ' +
      'have taken its place',
  );
}
