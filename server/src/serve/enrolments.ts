import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type FSWatcher, mkdirSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '@diskferry/system/errors';
import { RefusedError } from '../refused-error.ts';

/** Cannot be guessed, so a plain digest is enough to keep. */
const SECRET_BYTES = 32;
/** A file name, and in the secret the part before the first dot. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
const SUFFIX = '.json';

/** One secret that admits computers, without the secret. */
export interface Enrolment {
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
  /** SHA-256 of the secret, hexadecimal. */
  readonly sha256: string;
}

/**
 * The secrets that admit computers, one file each in a folder: what another process adds or removes counts at once, and
 * two processes need no lock.
 */
export class Enrolments {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /**
   * Makes a secret. It is in the result only: what is kept does not tell it.
   *
   * @throws {UsageError} for a name that cannot be used
   * @throws {RefusedError} `ENROLMENT_EXISTS`
   */
  create(name: string): string {
    requireName(name);
    const secret = `${name}.${randomBytes(SECRET_BYTES).toString('base64url')}`;
    const kept = { created: new Date().toISOString(), sha256: digest(secret) };
    try {
      writeFileSync(this.#path(name), `${JSON.stringify(kept)}\n`, { flag: 'wx', mode: 0o600 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      throw new RefusedError(
        'ENROLMENT_EXISTS',
        `there is an enrolment ${name}; its secret cannot be shown again. Choose another name, or revoke it first with ` +
          `diskferry enrol --revoke ${name}`,
      );
    }
    return secret;
  }

  /**
   * Ends a secret.
   *
   * @throws {RefusedError} `ENROLMENT_MISSING`
   */
  revoke(name: string): void {
    requireName(name);
    try {
      rmSync(this.#path(name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new RefusedError('ENROLMENT_MISSING', `there is no enrolment ${name}`);
    }
  }

  list(): readonly Enrolment[] {
    return readdirSync(this.#folder)
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => this.#read(file.slice(0, -SUFFIX.length)))
      .filter((enrolment) => enrolment !== undefined)
      .toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** The enrolment of a secret that somebody shows; undefined if it is unknown or was revoked. */
  admit(secret: string): Enrolment | undefined {
    const [name = ''] = secret.split('.', 1);
    const enrolment = NAME.test(name) ? this.#read(name) : undefined;
    if (enrolment === undefined) return undefined;
    const shown = Buffer.from(digest(secret), 'hex');
    return timingSafeEqual(shown, Buffer.from(enrolment.sha256, 'hex')) ? enrolment : undefined;
  }

  /** Whether it was neither revoked nor made anew since. */
  isValid({ name, sha256 }: Enrolment): boolean {
    return this.#read(name)?.sha256 === sha256;
  }

  /** Tells of every change, also by other processes. */
  onChange(listener: () => void): Pick<FSWatcher, 'close'> {
    return watch(this.#folder, listener);
  }

  #read(name: string): Enrolment | undefined {
    try {
      const { created, sha256 } = JSON.parse(readFileSync(this.#path(name), 'utf8')) as Enrolment;
      return /^[0-9a-f]{64}$/.test(sha256) ? { name, created, sha256 } : undefined;
    } catch {
      // Half written, or removed this moment: it admits nobody.
      return undefined;
    }
  }

  #path(name: string): string {
    return join(this.#folder, name + SUFFIX);
  }
}

function requireName(name: string): void {
  if (NAME.test(name)) return;
  throw new UsageError(`"${name}" cannot name an enrolment: up to 32 letters, digits, - and _ can`);
}

function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
