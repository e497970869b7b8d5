import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprintOf } from '@diskferry/trust/fingerprint';
import { type Identity, loadOrCreateIdentity } from '@diskferry/trust/identity';
import type { ServeOptions } from '../command-line.ts';
import { type Access, keyedAccess, openAccess } from './access.ts';
import { PairedServers } from './paired-servers.ts';

/** In certificates of imaging clients; for people who look, nobody checks it. */
const COMMON_NAME = 'diskferry imaging client';

/** Names of the files as nbdkit, QEMU and libvirt have them. */
const AUTHORITY_FILE = 'ca-cert.pem';
const CERTIFICATE_FILE = 'server-cert.pem';
const KEY_FILE = 'server-key.pem';

/** Keys or certificates cannot be used as the command line says; `code` is `ACCESS_UNUSABLE`. */
export class AccessSetupError extends Error {
  readonly code = 'ACCESS_UNUSABLE';

  constructor(what: string, advice: string, cause: unknown) {
    super(`${what}: ${cause instanceof Error ? cause.message : String(cause)}; ${advice}`, { cause });
    this.name = 'AccessSetupError';
  }
}

/**
 * Who may do what with the disks, as the command line says.
 *
 * @throws {AccessSetupError}
 */
export async function configuredAccess({
  insecure,
  writable,
  stateFolder,
  certificatesFolder,
}: Pick<ServeOptions, 'insecure' | 'writable' | 'stateFolder' | 'certificatesFolder'>): Promise<Access> {
  if (insecure) return openAccess({ writable });
  const servers = new PairedServers(stateFolder);
  if (certificatesFolder !== undefined) return certifiedAccess(certificatesFolder, servers);
  return keyedAccess({ identity: await ownIdentity(stateFolder), servers });
}

/**
 * The key of this computer, made at the first start.
 *
 * @throws {AccessSetupError}
 */
export async function ownIdentity(stateFolder: string): Promise<Identity> {
  try {
    return await loadOrCreateIdentity(stateFolder, COMMON_NAME);
  } catch (error) {
    throw new AccessSetupError(
      `the key of this computer cannot be kept in ${stateFolder}`,
      'give another folder with --state',
      error,
    );
  }
}

function certifiedAccess(folder: string, servers: PairedServers): Access {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  try {
    const certificate = read(CERTIFICATE_FILE);
    const identity: Identity = {
      key: read(KEY_FILE),
      certificate,
      fingerprint: fingerprintOf(certificate),
    };
    return keyedAccess({ identity, servers, authority: read(AUTHORITY_FILE) });
  } catch (error) {
    throw new AccessSetupError(
      `the certificates in ${folder} cannot be used`,
      `${AUTHORITY_FILE}, ${CERTIFICATE_FILE} and ${KEY_FILE} must be there, as for nbdkit and QEMU`,
      error,
    );
  }
}
