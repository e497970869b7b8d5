import { createPrivateKey, X509Certificate } from 'node:crypto';
import { link, mkdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certify, createKey } from './certificate.ts';
import { fingerprintOf } from './fingerprint.ts';
import { TrustError } from './trust-error.ts';

/** By which a party is known: a key, and a certificate that TLS can show for it. */
export interface Identity {
  /** PEM, PKCS #8. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
  /** See `fingerprintOf`. */
  readonly fingerprint: string;
}

const KEY_FILE = 'key.pem';
const CERTIFICATE_FILE = 'certificate.pem';
const OWNER_ONLY = 0o600;
const FOLDER_OF_OWNER = 0o700;

/** Makes a new key with a certificate that it signed itself; nobody but its owner vouches for it. */
export async function createIdentity(commonName: string): Promise<Identity> {
  return identityOf(createKey(), commonName);
}

/**
 * The identity that is kept in a folder, made at first use. Programs that start at the same time get the same key.
 *
 * @throws {TrustError} `IDENTITY_DAMAGED`
 */
export async function loadOrCreateIdentity(folder: string, commonName: string): Promise<Identity> {
  await mkdir(folder, { recursive: true, mode: FOLDER_OF_OWNER });
  const path = join(folder, KEY_FILE);
  const key = (await readIfThere(path)) ?? (await writeFirst(path, createKey()));
  try {
    createPrivateKey(key);
  } catch (cause) {
    throw new TrustError('IDENTITY_DAMAGED', `${path} holds no key; remove it to get a new one`, { cause });
  }
  const certificate = await readIfThere(join(folder, CERTIFICATE_FILE));
  if (certificate !== undefined && belongsTo(certificate, key)) {
    return { key, certificate, fingerprint: fingerprintOf(certificate) };
  }
  const identity = identityOf(key, commonName);
  await writeAtOnce(join(folder, CERTIFICATE_FILE), identity.certificate);
  return identity;
}

function identityOf(key: string, commonName: string): Identity {
  const certificate = certify({ commonName, key, issuer: { commonName, key } });
  return { key, certificate, fingerprint: fingerprintOf(certificate) };
}

function belongsTo(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TrustError('IDENTITY_DAMAGED', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Writes a file unless there is one; returns what it holds then, so that of two writers both get the first's. */
async function writeFirst(path: string, text: string): Promise<string> {
  const temporary = await writeTemporary(path, text);
  try {
    await link(temporary, path);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return await readFile(path, 'utf8');
  } finally {
    await unlink(temporary);
  }
}

async function writeAtOnce(path: string, text: string): Promise<void> {
  await rename(await writeTemporary(path, text), path);
}

let written = 0;

async function writeTemporary(path: string, text: string): Promise<string> {
  const temporary = `${path}.${process.pid}.${written++}`;
  await writeFile(temporary, text, { mode: OWNER_ONLY, flush: true });
  return temporary;
}
