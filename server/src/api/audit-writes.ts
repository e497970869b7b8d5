import type { AuditLog } from '../access/audit-log.ts';
import type { AuditOutcome } from '../access/tables.ts';
import type { Router } from './router.ts';

/**
 * Writes down every request that changes something, whoever sent it and whether it was allowed or not, before it is
 * answered. Those without a valid token are not: they change nothing, and could fill the disk.
 */
export function auditWrites(app: Router, audit: AuditLog): void {
  app.addHook('onSend', async (request, reply) => {
    const { caller, method, params, body, routeOptions } = request;
    if (method === 'GET' || method === 'HEAD' || caller === undefined) return;
    const id = (params as { id?: string } | undefined)?.id;
    await audit.audit({
      principal: caller.principal,
      action: routeOptions.config.permission ?? 'unknown',
      ...(id === undefined ? {} : { subject: { kind: kindOf(routeOptions.url), id } }),
      outcome: outcomeOf(reply.statusCode),
      detail: { request: `${method} ${request.url}`, status: reply.statusCode, body: body ?? null },
      remoteAddress: caller.address,
    });
  });
}

function outcomeOf(status: number): AuditOutcome {
  if (status < 400) return 'done';
  return status < 500 ? 'refused' : 'failed';
}

/** "computers" of "/api/v1/computers/:id/merge". */
function kindOf(route = ''): string {
  return route.split('/')[3] ?? 'unknown';
}
