import { type Static, Type } from 'typebox';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

const HEALTH = Type.Object({ status: Type.Enum(['ok', 'failing']) });
const SERVER = Type.Object({ version: Type.String(), user: Type.String(), role: Type.String() });

/** As clients see it. */
export type ApiServer = Static<typeof SERVER>;

/** How the server is, for watchers: health, metrics, and the description of the API. */
export function addOperationRoutes(app: Router, { version, checkDatabase, metrics }: Services): void {
  app.get(
    '/health',
    {
      config: { permission: 'open' },
      schema: {
        summary: 'Whether the server can work; open to all, and tells nothing else',
        security: [],
        response: { 200: HEALTH, 503: HEALTH },
      },
    },
    async (_, reply) => {
      try {
        await checkDatabase();
        return { status: 'ok' as const };
      } catch {
        return reply.status(503).send({ status: 'failing' });
      }
    },
  );

  app.get(
    '/metrics',
    {
      config: { permission: 'server.read' },
      schema: { summary: 'Metrics in the text format of Prometheus', produces: ['text/plain'] },
    },
    async (_, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics.read()),
  );

  app.get(
    '/api/openapi.json',
    { config: { permission: 'server.read' }, schema: { summary: 'This description: OpenAPI 3.1' } },
    async () => app.swagger(),
  );

  app.get(
    '/api/v1/server',
    {
      config: { permission: 'server.read' },
      schema: {
        summary: 'Version of the server, and who asks',
        response: {
          200: SERVER,
          '4xx': PROBLEM,
        },
      },
    },
    async ({ caller }) => ({ version, user: caller.principal.userName, role: caller.principal.role }),
  );
}
