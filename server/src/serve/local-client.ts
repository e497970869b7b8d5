import { request as httpRequest, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import type { KexecPieceMessage, LeaveMessage } from '@diskferry/protocol/control';
import { DiskferryError } from '@diskferry/system/errors';
import type { ManagedComputer } from './managed-computer.ts';
import { interfacePath } from './run-folder.ts';

const TIMEOUT_MS = 10_000;
/** More than the server waits for the computer. */
const LEAVE_TIMEOUT_MS = 130_000;
const OK = 200;
/** No socket, nobody behind it, or one of another user. */
const NO_SERVER = ['ENOENT', 'ECONNREFUSED', 'EACCES'];

/** The computers that are connected to the `diskferry serve` of this machine; undefined where none runs for this user. */
export async function listComputers(path = interfacePath()): Promise<readonly ManagedComputer[] | undefined> {
  const response = await ask(path, '/computers');
  if (response === undefined) return undefined;
  return (await json(response)) as readonly ManagedComputer[];
}

/**
 * Has a connected computer leave its secondary OS, or sends it a piece of what it shall start.
 *
 * @throws {DiskferryError} with the code of the computer's refusal; `COMPUTER_MISSING`; `SERVE_FAILED`
 */
export async function askToLeave(
  computer: string,
  message: Omit<LeaveMessage, 'id'> | Omit<KexecPieceMessage, 'id'>,
  path = interfacePath(),
): Promise<void> {
  const response = await ask(path, '/leave', JSON.stringify({ computer, message }), LEAVE_TIMEOUT_MS);
  if (response === undefined)
    throw new DiskferryError('SERVE_FAILED', 'there is no diskferry serve any more');
  const answer = (await json(response)) as { readonly code: string; readonly message: string };
  if (response.statusCode !== OK) throw new DiskferryError(answer.code, answer.message);
}

async function ask(
  socketPath: string,
  path: string,
  body?: string,
  timeout = TIMEOUT_MS,
): Promise<IncomingMessage | undefined> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const request = httpRequest({ socketPath, path, method, agent: false, timeout }, resolve);
    request.on('timeout', () => request.destroy(new Error(`no answer for ${timeout / 1000} s`)));
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (NO_SERVER.includes(error.code ?? '')) resolve(undefined);
      else reject(new DiskferryError('SERVE_FAILED', `${socketPath}: ${error.message}`, { cause: error }));
    });
    request.end(body);
  });
}
