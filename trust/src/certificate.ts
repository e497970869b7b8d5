// @peculiar/x509 looks for it when it is loaded, so it comes first.
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };

/**
 * Certificates are good for all time: computers that are booted for imaging often have a clock that is years off, and
 * what ends trust here is the end of a pin, a grant or an enrolment.
 */
const NOT_BEFORE = new Date('1970-01-01T00:00:00Z');
/** "No well-defined expiration date" (RFC 5280, section 4.1.2.5). */
const NOT_AFTER = new Date('9999-12-31T23:59:59Z');

/** A new P-256 key as PEM (PKCS #8). */
export function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: KEY_ALGORITHM.namedCurve });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

/** Who signs a certificate: its common name and its key as PEM. */
interface Issuer {
  readonly commonName: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** The key that is certified, as PEM with its private part. */
  readonly key: string;
  readonly issuer: Issuer;
  /** May sign other certificates. */
  readonly isAuthority?: boolean;
  /** Names and IP addresses under which its owner is reached. */
  readonly hosts?: readonly string[];
}

/** Makes a certificate of a key, as PEM. */
export async function certify({
  commonName,
  key,
  issuer,
  isAuthority = false,
  hosts = [],
}: CertificateRequest): Promise<string> {
  const publicKey = toCryptoKey(createPublicKey(key), ['verify']);
  const issuerKey = toCryptoKey(createPublicKey(issuer.key), ['verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: nameOf(commonName),
    issuer: nameOf(issuer.commonName),
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    publicKey,
    signingKey: toCryptoKey(createPrivateKey(issuer.key), ['sign']),
    signingAlgorithm: SIGNATURE_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, undefined, true),
      new x509.KeyUsagesExtension(
        isAuthority ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuerKey),
      ...(hosts.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(hosts.map(generalName))]),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

function nameOf(commonName: string): x509.JsonName {
  return [{ CN: [commonName] }];
}

function generalName(host: string): x509.JsonGeneralName {
  return { type: isIP(host) === 0 ? 'dns' : 'ip', value: host };
}

function toCryptoKey(key: KeyObject, usages: readonly KeyUsage[]) {
  return key.toCryptoKey(KEY_ALGORITHM, true, [...usages]);
}

type KeyUsage = 'sign' | 'verify';
