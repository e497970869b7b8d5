/**
 * Makes X.509 certificates (RFC 5280) of P-256 keys. Written by hand because a library for it took 23 MB of the imaging
 * client's memory; OpenSSL and GnuTLS read them in the tests.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { domainToASCII } from 'node:url';
import * as der from './der.ts';

/** Version 3. */
const VERSION = Uint8Array.of(2);
const SERIAL_BYTES = 16;
/** ecdsa-with-SHA256, RFC 5758, section 3.2. */
const SIGNATURE_ALGORITHM = der.sequence(der.objectIdentifier('1.2.840.10045.4.3.2'));
const COMMON_NAME = der.objectIdentifier('2.5.4.3');

/**
 * Certificates are good for all time: computers that are booted for imaging often have a clock that is years off, and
 * what ends trust here is the end of a pin, a grant or an enrolment. The end is the "no well-defined expiration date" of RFC 5280,
 * section 4.1.2.5.
 */
const VALIDITY = der.sequence(der.utcTime('700101000000Z'), der.generalizedTime('99991231235959Z'));

/** Section 4.2.1. */
const EXTENSION = {
  SUBJECT_KEY_IDENTIFIER: '2.5.29.14',
  KEY_USAGE: '2.5.29.15',
  SUBJECT_ALTERNATIVE_NAME: '2.5.29.17',
  BASIC_CONSTRAINTS: '2.5.29.19',
  AUTHORITY_KEY_IDENTIFIER: '2.5.29.35',
} as const;

/** Bit 0 of KeyUsage, section 4.2.1.3. */
const DIGITAL_SIGNATURE = der.bitString(Uint8Array.of(0b1000_0000), 7);
/** Bit 5. */
const KEY_CERT_SIGN = der.bitString(Uint8Array.of(0b0000_0100), 2);

/** Tags of GeneralName, section 4.2.1.6. */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

/** RFC 7093, section 2, method 1: so many bytes of a SHA-256 digest. */
const KEY_IDENTIFIER_BYTES = 20;
/** Before an uncompressed P-256 point in its SubjectPublicKeyInfo: two algorithm identifiers and lengths (RFC 5480). */
const SPKI_HEADER_BYTES = 26;

const PEM_COLUMNS = 64;

/** A new P-256 key as PEM (PKCS #8). */
export function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

export interface CertificateRequest {
  readonly commonName: string;
  /** The key that is certified, as PEM with its private part. */
  readonly key: string;
  /** Who signs: its common name, and its key as PEM. */
  readonly issuer: { readonly commonName: string; readonly key: string };
  /** May sign other certificates. */
  readonly isAuthority?: boolean;
  /** Names and IP addresses under which its owner is reached. */
  readonly hosts?: readonly string[];
}

/** Makes a certificate of a key, as PEM. */
export function certify({
  commonName,
  key,
  issuer,
  isAuthority = false,
  hosts = [],
}: CertificateRequest): string {
  const publicKey = createPublicKey(key);
  const toBeSigned = der.sequence(
    der.contextConstructed(0, der.unsigned(VERSION)),
    der.unsigned(randomBytes(SERIAL_BYTES)),
    SIGNATURE_ALGORITHM,
    name(issuer.commonName),
    VALIDITY,
    name(commonName),
    subjectPublicKeyInfo(publicKey),
    der.contextConstructed(
      3,
      der.sequence(
        extension(
          EXTENSION.BASIC_CONSTRAINTS,
          der.sequence(...(isAuthority ? [der.booleanTrue()] : [])),
          true,
        ),
        extension(EXTENSION.KEY_USAGE, isAuthority ? KEY_CERT_SIGN : DIGITAL_SIGNATURE, true),
        extension(EXTENSION.SUBJECT_KEY_IDENTIFIER, der.octetString(keyIdentifier(publicKey))),
        extension(
          EXTENSION.AUTHORITY_KEY_IDENTIFIER,
          der.sequence(der.context(0, keyIdentifier(createPublicKey(issuer.key)))),
        ),
        ...(hosts.length === 0
          ? []
          : [extension(EXTENSION.SUBJECT_ALTERNATIVE_NAME, der.sequence(...hosts.map(generalName)))]),
      ),
    ),
  );
  const signature = sign('sha256', toBeSigned, createPrivateKey(issuer.key));
  return toPem(der.sequence(toBeSigned, SIGNATURE_ALGORITHM, der.bitString(signature)));
}

function name(commonName: string): Buffer {
  return der.sequence(der.set(der.sequence(COMMON_NAME, der.utf8String(commonName))));
}

function extension(identifier: string, content: Uint8Array, isCritical = false): Buffer {
  return der.sequence(
    der.objectIdentifier(identifier),
    ...(isCritical ? [der.booleanTrue()] : []),
    der.octetString(content),
  );
}

function generalName(host: string): Buffer {
  if (isIP(host) === 0) return der.context(DNS_NAME, Buffer.from(domainToASCII(host)));
  return der.context(IP_ADDRESS, isIPv4(host) ? Uint8Array.from(host.split('.'), Number) : ipv6Bytes(host));
}

/** 16 bytes; a zone has no meaning on other computers and is left out. */
function ipv6Bytes(address: string): Uint8Array {
  // A URL writes it in one way: hexadecimal groups, the longest run of zeros as "::".
  const { hostname } = new URL(`http://[${address.replace(/%.*$/, '')}]`);
  const [before = '', after] = hostname.slice(1, -1).split('::');
  const groups = (text: string): string[] => text.split(':').filter((group) => group !== '');
  const [head, tail] = [groups(before), groups(after ?? '')];
  const zeros = Array<string>(8 - head.length - tail.length).fill('0');
  return Buffer.from([...head, ...zeros, ...tail].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function keyIdentifier(publicKey: KeyObject): Uint8Array {
  const point = subjectPublicKeyInfo(publicKey).subarray(SPKI_HEADER_BYTES);
  return createHash('sha256').update(point).digest().subarray(0, KEY_IDENTIFIER_BYTES);
}

function subjectPublicKeyInfo(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' });
}

/** RFC 7468. */
function toPem(content: Buffer): string {
  const lines = content.toString('base64').match(new RegExp(`.{1,${PEM_COLUMNS}}`, 'g')) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
