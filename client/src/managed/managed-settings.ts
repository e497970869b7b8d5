import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type HostAddress, parseHostAddress } from '@diskferry/protocol/disk-address';

/** The port of `diskferry serve`. */
export const SERVER_PORT = 7443;

const SECRET = /^[!-~]{1,512}$/;

/** The server that this computer belongs to. */
export interface ManagedSettings {
  readonly server: HostAddress;
  /** The certificate of its authority, as PEM: nobody else is believed to be the server. */
  readonly authority: string;
  /** What admits this computer there. */
  readonly secret: string;
}

/** The settings of a managed client cannot be used; `code` is `SETTINGS_INVALID`. */
export class SettingsError extends Error {
  readonly code = 'SETTINGS_INVALID';
}

/** Options of the command line. */
export interface ManagedOptions {
  /** HOST or HOST:PORT. */
  readonly server: string;
  /** Path of the authority's certificate. */
  readonly ca: string;
  /** Path of a file that holds the secret. */
  readonly enrolment: string;
}

/**
 * Reads what the options name.
 *
 * @throws {SettingsError}
 * @throws {AddressError} for a server that is no address
 */
export function readManagedSettings({ server, ca, enrolment }: ManagedOptions): ManagedSettings {
  return {
    server: parseHostAddress(server, { defaultPort: SERVER_PORT }),
    authority: readAuthority(ca),
    secret: readSecret(enrolment),
  };
}

function readAuthority(path: string): string {
  const pem = readText('--ca', path);
  try {
    return new X509Certificate(pem).toString();
  } catch (cause) {
    throw new SettingsError(
      `--ca ${path} holds no certificate; make the boot medium anew with "diskferry enrol"`,
      { cause },
    );
  }
}

function readSecret(path: string): string {
  const secret = readText('--enrolment', path).trim();
  if (SECRET.test(secret)) return secret;
  throw new SettingsError(
    `--enrolment ${path} holds no enrolment secret; make the boot medium anew with "diskferry enrol"`,
  );
}

function readText(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(cause);
    throw new SettingsError(
      `${option} ${path} cannot be read: ${why}; a server can only be dialled with a boot medium that was made for it`,
      { cause },
    );
  }
}
