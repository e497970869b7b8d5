import { DiskferryError, messageOf, UsageError } from '@diskferry/system/errors';
import { Type } from 'typebox';
import type { FastifyError, FastifyRequest } from 'fastify';
import { RefusedError } from '../refused-error.ts';
import type { Router } from './router.ts';
import type { Log } from '../settings/server-settings.ts';

/** What every refusal and failure looks like. `code` is stable and meant for programs. */
export const PROBLEM = Type.Object(
  { code: Type.String(), message: Type.String({ description: 'A sentence.' }) },
  { title: 'Problem' },
);

/** Errors that are no `RefusedError` and yet the caller's. */
const STATUS: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  STATE: 409,
  CONFLICT: 409,
  IN_USE: 409,
  JOB_KIND: 400,
  JOB_SPEC: 400,
};
/** How the framework names what is wrong with a request. */
const REQUEST_CODES: Readonly<Record<number, string>> = {
  400: 'INVALID',
  404: 'NOT_FOUND',
  413: 'TOO_LARGE',
  414: 'TOO_LARGE',
  415: 'NOT_JSON',
};

/** Makes every failure an answer in one form, and tells nothing of the inside. */
export function answerErrors(app: Router, log: Log): void {
  app.setErrorHandler<FastifyError | Error>((error, request, reply) => {
    const { status, code, message } = problemOf(error);
    if (status >= 500) log('error', `${request.method} ${request.url}: ${error.stack ?? error.message}`);
    if (status === 401) reply.header('www-authenticate', 'Bearer');
    return reply.status(status).send({ code, message });
  });
  app.setNotFoundHandler((request, reply) => reply.status(404).send(nothingHere(request)));
}

/** The answer where there is no route. */
export function nothingHere({
  method,
  url,
}: Pick<FastifyRequest, 'method' | 'url'>): Omit<Problem, 'status'> {
  return { code: 'NOT_FOUND', message: `there is no ${method} ${url.split('?')[0]}` };
}

interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

function problemOf(error: FastifyError | Error): Problem {
  if (error instanceof DiskferryError) {
    const known = STATUS[error.code] ?? (error.code.endsWith('_MISSING') ? 404 : undefined);
    const refused = error instanceof RefusedError ? 409 : error instanceof UsageError ? 400 : undefined;
    const status = known ?? refused;
    if (status !== undefined) return { status, code: error.code, message: error.message };
  }
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (status !== undefined && status >= 400 && status < 500) {
    return { status, code: REQUEST_CODES[status] ?? 'INVALID', message: messageOf(error) };
  }
  return { status: 500, code: 'INTERNAL', message: 'the server failed; its log tells why' };
}
