import { request as httpRequest, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { DiskferryError } from '@diskferry/system/errors';
import type { ManagedComputer } from './managed-computer.ts';
import { interfacePath } from './run-folder.ts';

const TIMEOUT_MS = 10_000;
/** No socket, nobody behind it, or one of another user. */
const NO_SERVER = ['ENOENT', 'ECONNREFUSED', 'EACCES'];

/** The computers that are connected to the `diskferry serve` of this machine; undefined where none runs for this user. */
export async function listComputers(path = interfacePath()): Promise<readonly ManagedComputer[] | undefined> {
  const response = await ask(path, '/computers');
  if (response === undefined) return undefined;
  return (await json(response)) as readonly ManagedComputer[];
}

async function ask(socketPath: string, path: string): Promise<IncomingMessage | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, agent: false, timeout: TIMEOUT_MS }, resolve);
    request.on('timeout', () => request.destroy(new Error(`no answer for ${TIMEOUT_MS / 1000} s`)));
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (NO_SERVER.includes(error.code ?? '')) resolve(undefined);
      else reject(new DiskferryError('SERVE_FAILED', `${socketPath}: ${error.message}`, { cause: error }));
    });
    request.end();
  });
}
