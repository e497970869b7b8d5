import type { IncomingMessage, ServerResponse } from 'node:http';
import swagger from '@fastify/swagger';
import { TypeBoxValidatorCompiler, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { fastify, type FastifyReply } from 'fastify';
import { JOB_SPECS } from '../jobs/runners/job-specs.ts';
import { auditWrites } from './audit-writes.ts';
import { letIn } from './let-in.ts';
import { answerErrors, nothingHere } from './problems.ts';
import { addAccessRoutes } from './routes/access.ts';
import { addComputerRoutes } from './routes/computers.ts';
import { addEnrolmentRoutes } from './routes/enrolments.ts';
import { addEventRoutes } from './routes/events.ts';
import { addGroupAndRuleRoutes } from './routes/groups-and-rules.ts';
import { addImageRoutes } from './routes/images.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addOperationRoutes } from './routes/operation.ts';
import { addScheduleRoutes } from './routes/schedules.ts';
import type { Services } from './services.ts';

/** Names and notes are short, and nothing else is sent to the API. */
const MAX_BODY_BYTES = 64 * 1024;
/** A name in a path. */
const MAX_PARAMETER_LENGTH = 200;

/** As `http.createServer` takes it. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Api {
  /** Answers a request that came over the network. */
  readonly handle: RequestHandler;
  /** Answers a request of this machine's own user, on a socket that is only his. */
  readonly handleLocal: RequestHandler;
  /** The description of all routes: OpenAPI 3.1. */
  readonly description: object;
  /** All routes, for tests that try each of them. */
  readonly routes: readonly ApiRoute[];
  close(): Promise<void>;
}

export interface ApiRoute {
  readonly method: string;
  readonly path: string;
  /** Undefined for those that are open to all. */
  readonly permission: string | undefined;
}

/** The HTTP API of the server. It listens nowhere itself: the door of the server gives it its requests. */
export async function buildApi(services: Services): Promise<Api> {
  const local = new WeakSet<IncomingMessage>();
  const routes: ApiRoute[] = [];
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH, ignoreTrailingSlash: false },
    // A path that the router cannot read: it has no route.
    frameworkErrors: (_, request, reply: FastifyReply) => void reply.status(404).send(nothingHere(request)),
    logger: false,
    forceCloseConnections: true,
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(TypeBoxValidatorCompiler);
  answerErrors(app, services.log);
  letIn(app, { access: services.access, isLocal: (request) => local.has(request.raw) });
  auditWrites(app, services.audit);
  app.addHook('onRoute', ({ method, url, config }) => {
    const methods = Array.isArray(method) ? method : [method];
    for (const each of methods) {
      if (each !== 'HEAD') routes.push({ method: each, path: url, permission: config?.permission });
    }
  });
  app.addHook(
    'onResponse',
    async ({ method, routeOptions: { url = 'none' } }, { statusCode, elapsedTime }) => {
      services.metrics.answered({ method, route: url, status: statusCode, seconds: elapsedTime / 1000 });
    },
  );
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'diskferry imaging server', version: services.version },
      components: { schemas: jobSchemas(), securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  });
  addOperationRoutes(app, services);
  addEventRoutes(app, services);
  addJobRoutes(app, services);
  addScheduleRoutes(app, services);
  addAccessRoutes(app, services);
  addComputerRoutes(app, services);
  addGroupAndRuleRoutes(app, services);
  addImageRoutes(app, services);
  addEnrolmentRoutes(app, services);
  await app.ready();
  return {
    handle: (request, response) => app.routing(request, response),
    handleLocal: (request, response) => {
      local.add(request);
      app.routing(request, response);
    },
    description: app.swagger(),
    routes,
    close: () => app.close(),
  };
}

/** What jobs are told, as "job-capture" and so on: each kind has words of its own. */
function jobSchemas(): Record<string, object> {
  return Object.fromEntries(Object.entries(JOB_SPECS).map(([kind, schema]) => [`job-${kind}`, schema]));
}
