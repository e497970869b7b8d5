import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DiskferryError, messageOf, UsageError } from '../errors.ts';

/** What a computer must know to dial the imaging server by itself. */
export interface MediumSettings {
  /** HOST:PORT. */
  readonly server: string;
  /** The certificate of the server's authority, as PEM. */
  readonly authority: string;
  /** The secret that admits the computers that start from the medium. */
  readonly enrolment: string;
}

/** The build's options of the same names; the last two are paths. */
export interface SettingsOptions {
  readonly server?: string | undefined;
  readonly ca?: string | undefined;
  readonly enrolment?: string | undefined;
}

const HOST_AND_PORT = /^(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}$/;
/** As `diskferry enrol` writes it: printable ASCII without spaces, as it goes into an HTTP header. */
const SECRET = /^[!-~]{16,512}$/;

/**
 * Reads and checks what shall be on the medium, so that a mistake shows at the build and not in front of a computer.
 * Undefined if no option is given.
 *
 * @throws {UsageError} when some options are missing or malformed
 * @throws {DiskferryError} `MEDIUM_SETTINGS` for a file that is not what it should be
 */
export async function readMediumSettings({
  server,
  ca,
  enrolment,
}: SettingsOptions): Promise<MediumSettings | undefined> {
  if (server === undefined && ca === undefined && enrolment === undefined) return undefined;
  if (server === undefined || ca === undefined || enrolment === undefined) {
    throw new UsageError(
      '--server, --ca and --enrolment belong together; "diskferry enrol" prints all three',
    );
  }
  if (!HOST_AND_PORT.test(server)) throw new UsageError(`--server ${server} is not HOST:PORT`);
  return { server, authority: await readAuthority(ca), enrolment: await readSecret(enrolment) };
}

async function readAuthority(path: string): Promise<string> {
  const text = await readText(path);
  try {
    const certificate = new X509Certificate(text);
    if (!certificate.ca) throw new Error('it is the certificate of somebody who may not sign others');
    return certificate.toString();
  } catch (error) {
    throw new DiskferryError(
      'MEDIUM_SETTINGS',
      `${path} is not the certificate of an authority: ${messageOf(error)}; take the ca.pem that "diskferry enrol" wrote`,
      { cause: error },
    );
  }
}

async function readSecret(path: string): Promise<string> {
  const secret = (await readText(path)).trim();
  if (SECRET.test(secret)) return secret;
  throw new DiskferryError(
    'MEDIUM_SETTINGS',
    `${path} holds no enrolment secret; take the file that "diskferry enrol" wrote`,
  );
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new DiskferryError('MEDIUM_SETTINGS', `${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
