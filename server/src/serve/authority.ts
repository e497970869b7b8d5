import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { type Authority, createAuthority } from '@diskferry/trust/authority';
import { fingerprintOf } from '@diskferry/trust/fingerprint';

const COMMON_NAME = 'diskferry authority';
const KEY = 'key.pem';
const CERTIFICATE = 'certificate.pem';

/**
 * The authority that boot media know, made at first use. The server's own certificate is issued anew at each start, so
 * this key is all that has to be kept: without it all media must be made anew.
 *
 * @param folder gets `key.pem` and `certificate.pem`
 * @throws {DiskferryError} `AUTHORITY_DAMAGED`
 */
export async function loadOrCreateAuthority(folder: string): Promise<Authority> {
  return readAuthority(folder) ?? (await writeAuthority(folder));
}

function readAuthority(folder: string): Authority | undefined {
  try {
    const key = readFileSync(join(folder, KEY), 'utf8');
    const certificate = readFileSync(join(folder, CERTIFICATE), 'utf8');
    if (!new X509Certificate(certificate).ca) throw new Error('its certificate may not sign others');
    return { key, certificate, fingerprint: fingerprintOf(certificate), commonName: COMMON_NAME };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DiskferryError(
      'AUTHORITY_DAMAGED',
      `the authority in ${folder} cannot be used: ${messageOf(error)}; restore it from a backup, or remove the folder and ` +
        'make all boot media anew',
      { cause: error },
    );
  }
}

/** A folder appears with both files or not at all; of two writers the first one wins. */
async function writeAuthority(folder: string): Promise<Authority> {
  const authority = await createAuthority(COMMON_NAME);
  const temporary = `${folder}.${randomBytes(4).toString('hex')}`;
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  writeFileSync(join(temporary, KEY), authority.key, { mode: 0o600, flush: true });
  writeFileSync(join(temporary, CERTIFICATE), authority.certificate, { flush: true });
  try {
    renameSync(temporary, folder);
    return authority;
  } catch (error) {
    rmSync(temporary, { recursive: true });
    const other = readAuthority(folder);
    if (other === undefined) throw error;
    return other;
  }
}
