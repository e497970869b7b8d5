import { Type } from 'typebox';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

const ENROLMENT = Type.Object({ name: Type.String(), created: Type.String({ format: 'date-time' }) });
const NAME = Type.Object({ id: Type.String({ description: 'name' }) });

/** The secrets that admit computers with media of this server. */
export function addEnrolmentRoutes(app: Router, { enrolments }: Services): void {
  app.get(
    '/api/v1/enrolments',
    {
      config: { permission: 'enrolments.read' },
      schema: {
        summary: 'Enrolments, without their secrets',
        response: { 200: Type.Array(ENROLMENT), '4xx': PROBLEM },
      },
    },
    async () => enrolments.list().map(({ name, created }) => ({ name, created })),
  );

  app.post(
    '/api/v1/enrolments',
    {
      config: { permission: 'enrolments.change' },
      schema: {
        summary: 'Make a secret for boot media; it is in this answer only',
        body: Type.Object({ name: Type.String({ maxLength: 32 }) }, { additionalProperties: false }),
        response: { 201: Type.Object({ name: Type.String(), secret: Type.String() }), '4xx': PROBLEM },
      },
    },
    async ({ body: { name } }, reply) => reply.status(201).send({ name, secret: enrolments.create(name) }),
  );

  app.delete(
    '/api/v1/enrolments/:id',
    {
      config: { permission: 'enrolments.change' },
      schema: {
        summary: 'Revoke a secret: computers that came by it are sent away at once',
        params: NAME,
        response: { 204: Type.Null(), '4xx': PROBLEM },
      },
    },
    async ({ params: { id } }, reply) => {
      enrolments.revoke(id);
      return reply.status(204).send(null);
    },
  );
}
