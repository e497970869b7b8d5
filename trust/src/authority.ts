import type { X509Certificate } from 'node:crypto';
import { certify, createKey } from './certificate.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { Identity } from './identity.ts';

/** Who vouches for others: its certificate says that it may. */
export interface Authority extends Identity {
  readonly commonName: string;
}

/** Makes a new certificate authority. */
export async function createAuthority(commonName: string): Promise<Authority> {
  const key = createKey();
  const certificate = certify({
    commonName,
    key,
    issuer: { commonName, key },
    isAuthority: true,
  });
  return { key, certificate, fingerprint: fingerprintOf(certificate), commonName };
}

/**
 * Makes a key with a certificate that the authority signed.
 *
 * @param options.hosts names and IP addresses under which its owner is reached
 */
export async function issueCertificate(
  authority: Authority,
  { commonName, hosts = [] }: { readonly commonName: string; readonly hosts?: readonly string[] },
): Promise<Identity> {
  const key = createKey();
  const certificate = certify({ commonName, key, issuer: authority, hosts });
  return { key, certificate, fingerprint: fingerprintOf(certificate) };
}

/** OID of the extended key usage "TLS client" (RFC 5280, section 4.2.1.12). */
const CLIENT_USAGE = '1.3.6.1.5.5.7.3.2';

/**
 * Whether an authority signed a certificate itself, and for the use as a TLS client, and it is valid now. That its owner has the
 * key is proved by the TLS handshake.
 */
export function isClientCertificateOf(authority: X509Certificate, certificate: X509Certificate): boolean {
  const now = Date.now();
  return (
    authority.ca &&
    certificate.checkIssued(authority) &&
    certificate.verify(authority.publicKey) &&
    certificate.validFromDate.getTime() <= now &&
    now <= certificate.validToDate.getTime() &&
    // Without the extension, any use is meant.
    (certificate.keyUsage ?? [CLIENT_USAGE]).includes(CLIENT_USAGE)
  );
}
