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
  const certificate = await certify({
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
  const certificate = await certify({ commonName, key, issuer: authority, hosts });
  return { key, certificate, fingerprint: fingerprintOf(certificate) };
}
