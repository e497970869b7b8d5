import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { messageOf, UsageError } from '@diskferry/system/errors';
import { RefusedError } from '../refused-error.ts';
import { interfacePath } from '../serve/run-folder.ts';
import { loginFile, type Login, readLoginFile } from './login-file.ts';
import { parseServerUrl, requireToken, type ServerAccess } from './server-access.ts';

export interface ServerWishes {
  /** What the command line says. */
  readonly url?: string | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Of the server of this machine. */
  readonly socketPath?: string;
}

/**
 * The server whose client the command line is: the one that it names, else that of DISKFERRY_SERVER, else the one that this
 * user has logged in to, else the `diskferry serve` of this machine if it is this user's. Undefined where there is none.
 *
 * @throws {UsageError} for an address or a token that is none
 * @throws {RefusedError} `NO_TOKEN`, `LOGIN_OPEN`
 * @throws {DiskferryError} `LOGIN_DAMAGED`
 */
export async function findServer(wishes: ServerWishes = {}): Promise<ServerAccess | undefined> {
  const { url, env = process.env, socketPath = interfacePath() } = wishes;
  const chosen = url ?? wordOf(env, 'DISKFERRY_SERVER');
  const file = loginFile(env);
  const login = readLoginFile(file);
  if (chosen === undefined && login === undefined) {
    return (await isAnswered(socketPath)) ? { kind: 'local', socketPath } : undefined;
  }
  const server = parseServerUrl(chosen ?? login?.url ?? '');
  // A token that was kept for one server is shown to no other.
  const own = login !== undefined && login.url === server ? login : undefined;
  return remoteAccess(server, { own, file, env });
}

interface Sources {
  readonly own: Login | undefined;
  readonly file: string;
  readonly env: NodeJS.ProcessEnv;
}

function remoteAccess(url: string, { own, file, env }: Sources): ServerAccess {
  const token = wordOf(env, 'DISKFERRY_TOKEN');
  const shown = token ?? own?.token;
  if (shown === undefined) {
    throw new RefusedError(
      'NO_TOKEN',
      `there is no token for the server ${url}; log in: diskferry login ${url}, or set DISKFERRY_TOKEN`,
    );
  }
  const tokenFrom = token === undefined ? file : 'DISKFERRY_TOKEN';
  const caFile = wordOf(env, 'DISKFERRY_CA');
  const ca = caFile === undefined ? own?.ca : readAuthorityFile(caFile, 'DISKFERRY_CA');
  return {
    kind: 'https',
    url,
    token: requireToken(shown, tokenFrom),
    tokenFrom,
    ...(ca === undefined ? {} : { ca }),
  };
}

/** @throws {UsageError} */
export function readAuthorityFile(path: string, name: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it holds no certificate in PEM');
    return text;
  } catch (error) {
    throw new UsageError(`${name}: ${path} cannot be used: ${messageOf(error)}`);
  }
}

function wordOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const word = env[name];
  return word === '' ? undefined : word;
}

/** Whether somebody listens there, and for this user. */
function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
