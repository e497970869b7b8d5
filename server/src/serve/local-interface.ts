import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type KexecPieceMessage, type LeaveMessage, parseServerMessage } from '@diskferry/protocol/control';
import * as read from '@diskferry/protocol/json-shape';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { RequestHandler } from '../api/api.ts';
import type { Computers } from './computers.ts';
import { listen } from './local-socket.ts';
import type { GrantRequest, WriteGrants } from './write-grants.ts';

const MAX_BODY_LENGTH = 64 * 1024;

const readGrantRequest = read.object<GrantRequest>({
  computer: read.text,
  disk: read.text,
  job: read.text,
  description: read.text,
});

interface LeaveRequest {
  readonly computer: string;
  readonly message: Readonly<Record<string, unknown>>;
}

const readLeaveRequest = read.object<LeaveRequest>({ computer: read.text, message: read.asObject });
/** A kernel is copied and its signature checked before the computer answers, in ms. */
const LEAVE_TIMEOUT_MS = 120_000;

export interface LocalInterfaceOptions {
  readonly path: string;
  readonly computers: Computers;
  readonly grants: WriteGrants;
  /** Answers what begins with `/api/`, with the rights of an administrator. */
  readonly onApiRequest: RequestHandler;
}

/**
 * The interface for programs of this machine: HTTP on a unix socket, which only the server's user may use.
 *
 * - `GET /computers`: the connected computers, their disks and the sockets of these.
 * - `POST /grants` with computer, disk, job and description: a line with the path of a writable socket, at once. The
 *   grant lasts as long as the answer stays open; a second line, with an error, tells that it has ended before.
 * - `/api/...`: the API of the server, without a token.
 * - `POST /leave` with computer and message, a `leave` or a `kexec-piece` of the control messages: an empty object.
 *
 * Errors are objects with `code` and `message`.
 *
 * @throws {DiskferryError} `SOCKET_FAILED`
 */
export async function startLocalInterface(
  options: LocalInterfaceOptions,
): Promise<{ close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/api/') === true) {
      options.onApiRequest(request, response);
      return;
    }
    answer(options, request, response).catch((error: unknown) => sendError(response, error));
  });
  await listen(server, options.path);
  return {
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

async function answer(
  { computers, grants }: LocalInterfaceOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  switch (`${request.method} ${request.url}`) {
    case 'GET /computers':
      return sendJson(
        response,
        200,
        computers.list().map((computer) => computer.describe()),
      );
    case 'POST /grants':
      return holdGrant(grants, await readBody(request, readGrantRequest), response);
    case 'POST /leave':
      await sendOut(computers, await readBody(request, readLeaveRequest));
      return sendJson(response, 200, {});
    default:
      return sendJson(response, 404, {
        code: 'NOT_FOUND',
        message: `there is no ${request.method} ${request.url}`,
      });
  }
}

async function holdGrant(grants: WriteGrants, body: GrantRequest, response: ServerResponse): Promise<void> {
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  const grant = await grants.take(body);
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.write(`${JSON.stringify({ socket: grant.socket })}\n`);
  const why = await Promise.race([grant.ended, gone]);
  if (typeof why === 'string') {
    response.end(`${JSON.stringify({ code: 'GRANT_ENDED', message: why })}\n`);
  }
  await grant.giveBack();
}

async function sendOut(computers: Computers, { computer, message }: LeaveRequest): Promise<void> {
  const { link } = computers.get(computer);
  const text = JSON.stringify({ ...message, id: 0 });
  const { id, ...question } = parseServerMessage(text) as LeaveMessage | KexecPieceMessage;
  if (question.type !== 'leave' && question.type !== 'kexec-piece') {
    throw new DiskferryError(
      'INVALID',
      `this is no message to leave by, but number ${id}, ${text.slice(0, 60)}`,
    );
  }
  await (question.type === 'leave'
    ? link.ask(question, { timeoutMs: LEAVE_TIMEOUT_MS })
    : link.ask(question));
}

async function readBody<T>(request: IncomingMessage, understand: read.Reader<T>): Promise<T> {
  let body = '';
  request.setEncoding('utf8');
  for await (const chunk of request as AsyncIterable<string>) {
    body += chunk;
    if (body.length > MAX_BODY_LENGTH) {
      throw new DiskferryError('TOO_LARGE', `a request has at most ${MAX_BODY_LENGTH} characters`);
    }
  }
  try {
    return understand(JSON.parse(body), 'the request');
  } catch (cause) {
    throw new DiskferryError('INVALID', `the request cannot be understood: ${messageOf(cause)}`, { cause });
  }
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const code = error instanceof DiskferryError ? error.code : 'FAILED';
  sendJson(response, 400, { code, message: messageOf(error) });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}
