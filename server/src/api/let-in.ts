import type { FastifyRequest } from 'fastify';
import type { Access } from '../access/access.ts';
import { type Principal, requirePermission } from '../access/principal.ts';
import { unauthenticated } from '../access/access-error.ts';
import type { Router } from './router.ts';

const BEARER = /^Bearer ([!-~]{1,256})$/i;

/** Who sends a request, and from where. */
export interface Caller {
  readonly principal: Principal;
  readonly address: string;
}

export interface LetInOptions {
  readonly access: Access;
  /** Whether a request came from this machine's own user. */
  readonly isLocal: (request: FastifyRequest) => boolean;
}

/**
 * Lets nobody in without a token but to the routes that are open, before anything else of a request is looked at. A route
 * that does not say who may use it is a mistake of ours, which ends the start of the server.
 */
export function letIn(app: Router, { access, isLocal }: LetInOptions): void {
  app.addHook('onRoute', ({ url, config }) => {
    if (config?.permission === undefined) throw new Error(`nothing says who may use ${url}`);
  });
  app.addHook('onRequest', async (request) => {
    const { permission } = request.routeOptions.config;
    if (permission === 'open') return;
    const principal = isLocal(request) ? access.localAdministrator : await authenticate(access, request);
    // Also where there is no route: those without a token are not told so.
    if (principal === undefined) throw unauthenticated();
    const address = (request.socket.remoteAddress ?? 'local').replace(/^::ffff:(?=\d+\.)/, '');
    request.caller = { principal, address };
    if (permission !== undefined) requirePermission(principal, permission);
  });
}

async function authenticate(access: Access, { headers }: FastifyRequest): Promise<Principal | undefined> {
  const token = BEARER.exec(headers.authorization ?? '')?.[1];
  return token === undefined ? undefined : access.authenticate(token);
}
