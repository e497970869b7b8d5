import { type Static, Type } from 'typebox';
import { JOB_STATES } from '../../jobs/job-states.ts';
import { jobOf } from '../../jobs/job.ts';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

const STATE = Type.Enum(JOB_STATES);
const TIME = Type.String({ format: 'date-time' });
const ID = Type.Object({ id: Type.String() });
const FACTS = Type.Record(Type.String(), Type.Unknown());
const SPEC = Type.Record(Type.String(), Type.Unknown(), {
  description: 'what a job of that kind is told: the schema job-KIND of this description',
});
const LOG_LINE = Type.Object({ number: Type.Integer(), at: TIME, line: Type.String() });

const JOB = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  state: STATE,
  priority: Type.Integer(),
  spec: SPEC,
  computerId: Type.Optional(Type.String()),
  imageId: Type.Optional(Type.String()),
  createdBy: Type.String(),
  createdAt: TIME,
  startAfter: Type.Optional(TIME),
  startedAt: Type.Optional(TIME),
  endedAt: Type.Optional(TIME),
  attempt: Type.Integer(),
  maxAttempts: Type.Integer(),
  serverId: Type.Optional(Type.String()),
  progress: Type.Object({
    step: Type.Optional(Type.String()),
    doneBytes: Type.Integer(),
    totalBytes: Type.Integer({ description: '0 while it is not known' }),
    secondsLeft: Type.Optional(Type.Integer()),
  }),
  error: Type.Optional(PROBLEM),
  result: Type.Optional(FACTS),
});

/** As clients see them. */
export type ApiJob = Static<typeof JOB>;
export type ApiLogLine = Static<typeof LOG_LINE>;

/** Work: started, watched, paused, cancelled, begun again. */
export function addJobRoutes(app: Router, { jobs, jobDesk, jobStore }: Services): void {
  app.get(
    '/api/v1/jobs',
    {
      config: { permission: 'jobs.read' },
      schema: {
        summary: 'Jobs, newest first',
        querystring: Type.Object({
          state: Type.Optional(STATE),
          kind: Type.Optional(Type.String()),
          computer: Type.Optional(Type.String({ description: 'id' })),
          image: Type.Optional(Type.String({ description: 'id' })),
          before: Type.Optional(Type.String({ description: 'the last id of the page before' })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        }),
        response: { 200: Type.Array(JOB), '4xx': PROBLEM },
      },
    },
    async ({ query: { state, computer, image, ...wishes } }) => {
      const states = state === undefined ? undefined : [state];
      return jobStore.list({ ...wishes, states, computerId: computer, imageId: image });
    },
  );

  app.post(
    '/api/v1/jobs',
    {
      config: { permission: 'jobs.start' },
      schema: {
        summary: 'Start a job, or put it in the queue',
        body: Type.Object(
          {
            kind: Type.String({ maxLength: 64 }),
            spec: SPEC,
            priority: Type.Optional(Type.Integer({ minimum: -1000, maximum: 1000 })),
            startAfter: Type.Optional(TIME),
            maxAttempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
          },
          { additionalProperties: false },
        ),
        response: { 201: JOB, '4xx': PROBLEM },
      },
    },
    async ({ body: { startAfter, ...wishes }, caller }, reply) => {
      const time = startAfter === undefined ? {} : { startAfter: new Date(startAfter).toISOString() };
      const job = await jobs.submit({ ...wishes, ...time, createdBy: caller.principal.userName });
      return reply.status(201).send(job);
    },
  );

  app.post(
    '/api/v1/jobs/for-group',
    {
      config: { permission: 'jobs.start' },
      schema: {
        summary: 'Start the same job for each computer of a group; all of them or, if one cannot be, none',
        body: Type.Object(
          {
            group: Type.String({ description: 'id or name' }),
            kind: Type.String({ maxLength: 64 }),
            spec: SPEC,
            priority: Type.Optional(Type.Integer({ minimum: -1000, maximum: 1000 })),
          },
          { additionalProperties: false },
        ),
        response: { 201: Type.Array(JOB), '4xx': PROBLEM },
      },
    },
    async ({ body, caller }, reply) =>
      reply.status(201).send(await jobDesk.submit({ ...body, createdBy: caller.principal.userName })),
  );

  app.get(
    '/api/v1/jobs/:id',
    {
      config: { permission: 'jobs.read' },
      schema: { summary: 'One job', params: ID, response: { 200: JOB, '4xx': PROBLEM } },
    },
    async ({ params: { id } }) => jobOf(await jobStore.get(id)),
  );

  app.get(
    '/api/v1/jobs/:id/log',
    {
      config: { permission: 'jobs.read' },
      schema: {
        summary: 'The log of a job, oldest line first',
        params: ID,
        querystring: Type.Object({
          after: Type.Optional(Type.Integer({ minimum: 0, description: 'those after this line' })),
        }),
        response: {
          200: Type.Array(LOG_LINE),
          '4xx': PROBLEM,
        },
      },
    },
    async ({ params: { id }, query: { after } }) => {
      await jobStore.get(id);
      return jobStore.readLog(id, after);
    },
  );

  for (const change of ['pause', 'resume', 'cancel', 'retry'] as const) {
    app.post(
      `/api/v1/jobs/:id/${change}`,
      {
        config: { permission: 'jobs.change' },
        schema: { summary: `${change} a job`, params: ID, response: { 200: JOB, '4xx': PROBLEM } },
      },
      async ({ params: { id } }) => jobs[change](id),
    );
  }
}
