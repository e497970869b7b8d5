import { Type } from 'typebox';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

const ID = Type.Object({ id: Type.String() });
const TIME = Type.String({ format: 'date-time' });
const CLOSED = { additionalProperties: false };
const SCHEDULE_WORDS = {
  name: Type.String({ minLength: 1, maxLength: 64 }),
  cron: Type.String({
    maxLength: 200,
    description: 'five fields as in crontab(5), or six with seconds first',
  }),
  job: Type.Object(
    {
      kind: Type.String({ maxLength: 64 }),
      spec: Type.Record(Type.String(), Type.Unknown()),
      group: Type.Optional(
        Type.String({ maxLength: 64, description: 'one for each computer of this group; id or name' }),
      ),
      priority: Type.Optional(Type.Integer({ minimum: -1000, maximum: 1000 })),
      maxAttempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    },
    CLOSED,
  ),
};
const ZONE = Type.String({ maxLength: 64, description: 'such as "Europe/Berlin"; UTC by default' });
const SCHEDULE = Type.Object({
  ...SCHEDULE_WORDS,
  id: Type.String(),
  timeZone: ZONE,
  enabled: Type.Boolean(),
  nextAt: Type.Optional(TIME),
  lastAt: Type.Optional(TIME),
  problem: Type.Optional(Type.String({ description: 'why its last job could not be submitted' })),
});

/** Jobs by the clock. */
export function addScheduleRoutes(app: Router, { schedules, jobDesk }: Services): void {
  app.get(
    '/api/v1/schedules',
    {
      config: { permission: 'jobs.read' },
      schema: { summary: 'Schedules by name', response: { 200: Type.Array(SCHEDULE), '4xx': PROBLEM } },
    },
    async () => schedules.list(),
  );

  app.post(
    '/api/v1/schedules',
    {
      config: { permission: 'jobs.schedule' },
      schema: {
        summary: 'Submit a job again and again',
        body: Type.Object({ ...SCHEDULE_WORDS, timeZone: Type.Optional(ZONE) }, CLOSED),
        response: { 201: SCHEDULE, '4xx': PROBLEM },
      },
    },
    async ({ body }, reply) => {
      await jobDesk.check(body.job);
      return reply.status(201).send(await schedules.add(body));
    },
  );

  app.patch(
    '/api/v1/schedules/:id',
    {
      config: { permission: 'jobs.schedule' },
      schema: {
        summary: 'Turn a schedule on or off',
        params: ID,
        body: Type.Object({ enabled: Type.Boolean() }, CLOSED),
        response: { 200: SCHEDULE, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body: { enabled } }) => schedules.enable(id, enabled),
  );

  app.delete(
    '/api/v1/schedules/:id',
    {
      config: { permission: 'jobs.schedule' },
      schema: { summary: 'Delete a schedule', params: ID, response: { 204: Type.Null(), '4xx': PROBLEM } },
    },
    async ({ params: { id } }, reply) => {
      await schedules.remove(id);
      return reply.status(204).send(null);
    },
  );
}
