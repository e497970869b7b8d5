import { createHash, X509Certificate } from 'node:crypto';

/**
 * The name of a key, which is what is pinned: SHA-256 of the certificate's SubjectPublicKeyInfo in DER, as 64 lower-case
 * hexadecimal digits. A certificate that is made anew for the same key has the same fingerprint (RFC 7469, section 2.4).
 *
 * @param certificate PEM or DER
 */
export function fingerprintOf(certificate: string | Buffer | X509Certificate): string {
  const { publicKey } =
    certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate);
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** Whether a text is a fingerprint as {@link fingerprintOf} writes it. */
export function isFingerprint(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
