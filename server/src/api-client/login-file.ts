import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import * as read from '@diskferry/protocol/json-shape';
import { RefusedError } from '../refused-error.ts';

/** What "diskferry login" keeps. */
export interface Login {
  readonly url: string;
  readonly token: string;
  /** PEM. */
  readonly ca?: string | undefined;
}

const readLogin = read.object<Login>({ url: read.text, token: read.text, ca: read.optional(read.text) });
const OWNER_ONLY = 0o600;
const OTHERS = 0o077;

/** Where the login of this user is kept. */
export function loginFile(env: NodeJS.ProcessEnv = process.env): string {
  const folder = env['XDG_CONFIG_HOME'];
  // The XDG Base Directory Specification has relative paths ignored.
  const config = folder?.startsWith('/') === true ? folder : join(homedir(), '.config');
  return join(config, 'diskferry/server.json');
}

/**
 * The login of this user, if there is one.
 *
 * @throws {RefusedError} `LOGIN_OPEN` when others can read the token
 * @throws {DiskferryError} `LOGIN_DAMAGED`
 */
export function readLoginFile(path: string): Login | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if ((statSync(path).mode & OTHERS) !== 0) {
      throw new RefusedError(
        'LOGIN_OPEN',
        `${path} holds a token and can be read by others; revoke that token if they may have, and: chmod 600 ${path}`,
      );
    }
    return readLogin(JSON.parse(text), 'the login');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (cause instanceof RefusedError) throw cause;
    throw new DiskferryError(
      'LOGIN_DAMAGED',
      `${path} cannot be read: ${messageOf(cause)}; log in again: diskferry login URL`,
      { cause },
    );
  }
}

/** Keeps a login in place of the one before, or nothing of it. */
export function writeLoginFile(path: string, login: Login): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, `${JSON.stringify(login, undefined, 2)}\n`, { mode: OWNER_ONLY, flag: 'wx' });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** @returns whether there was one */
export function removeLoginFile(path: string): boolean {
  try {
    rmSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
