import { type Static, Type } from 'typebox';
import { DEPLOYMENT_STATES } from '../../registry/states/deployment-state.ts';
import type { ComputerDetails, ComputerSummary } from '../../registry/computer.ts';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

const TIME = Type.String({ format: 'date-time' });
const ID = Type.Object({ id: Type.String({ description: 'id or name' }) });
const STATE = Type.Enum(DEPLOYMENT_STATES);
const CLOSED = { additionalProperties: false };

const COMPUTER = Type.Object({
  id: Type.String(),
  name: Type.String(),
  state: STATE,
  connected: Type.Boolean({ description: 'its imaging client is connected to this server' }),
  notes: Type.String(),
  manufacturer: Type.Optional(Type.String()),
  product: Type.Optional(Type.String()),
  hardwareId: Type.Optional(Type.String()),
  firstSeen: TIME,
  lastSeen: TIME,
  address: Type.Optional(Type.String()),
  enrolment: Type.Optional(Type.String()),
  registeredAt: Type.Optional(TIME),
  registeredBy: Type.Optional(Type.String()),
  tags: Type.Array(Type.String()),
  groups: Type.Array(Type.String()),
  doubts: Type.Array(
    Type.Object({
      candidateId: Type.String(),
      candidateName: Type.String(),
      reasons: Type.Array(Type.String()),
      at: TIME,
    }),
  ),
});
const COMPUTER_PAGE = Type.Object({
  computers: Type.Array(COMPUTER),
  total: Type.Integer(),
  next: Type.Optional(Type.String()),
});
const WORDS = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 64 })),
    notes: Type.Optional(Type.String({ maxLength: 10_000 })),
  },
  CLOSED,
);
const OTHER = Type.Object(
  { other: Type.String({ description: 'id or name of the other computer' }) },
  CLOSED,
);

/** As clients see them. */
export type ApiComputer = Static<typeof COMPUTER>;
export type ApiComputerPage = Static<typeof COMPUTER_PAGE>;
export type ApiComputerDetails = ComputerDetails & Pick<ApiComputer, 'connected'>;

/** The computers that are known: registered, merged, split, forgotten. */
export function addComputerRoutes(app: Router, { registry, fleet }: Services): void {
  const shown = (computer: ComputerSummary): Static<typeof COMPUTER> =>
    JSON.parse(JSON.stringify({ ...computer, connected: fleet.find(computer.id) !== undefined })) as Static<
      typeof COMPUTER
    >;

  app.get(
    '/api/v1/computers',
    {
      config: { permission: 'computers.read' },
      schema: {
        summary: 'Computers by name',
        querystring: Type.Object({
          state: Type.Optional(STATE),
          text: Type.Optional(
            Type.String({ maxLength: 200, description: 'words in names, notes and traits' }),
          ),
          tag: Type.Optional(Type.String()),
          group: Type.Optional(Type.String()),
          after: Type.Optional(Type.String({ description: '"next" of the page before' })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        }),
        response: {
          200: COMPUTER_PAGE,
          '4xx': PROBLEM,
        },
      },
    },
    async ({ query }) => {
      const page = await registry.list(query);
      return { ...page, computers: page.computers.map(shown) };
    },
  );

  app.get(
    '/api/v1/computers/:id',
    {
      config: { permission: 'computers.read' },
      schema: { summary: 'One computer with its traits, hardware and last inventory', params: ID },
    },
    async ({ params: { id } }) => {
      const computer = await registry.get(id);
      return { ...computer, connected: fleet.find(computer.id) !== undefined };
    },
  );

  app.get(
    '/api/v1/computers/:id/history',
    {
      config: { permission: 'computers.read' },
      schema: { summary: 'What happened to a computer, newest first', params: ID },
    },
    async ({ params: { id } }) => registry.history(id),
  );

  app.post(
    '/api/v1/computers/:id/register',
    {
      config: { permission: 'computers.register' },
      schema: {
        summary: 'Say that an unregistered computer belongs here',
        params: ID,
        body: WORDS,
        response: { 200: COMPUTER, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body, caller }) =>
      shown(await registry.register(id, body, `user ${caller.principal.userName}`)),
  );

  app.patch(
    '/api/v1/computers/:id',
    {
      config: { permission: 'computers.change' },
      schema: {
        summary: 'Change name, notes or tags',
        params: ID,
        body: Type.Object(
          {
            ...WORDS.properties,
            tags: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 100 })),
          },
          CLOSED,
        ),
        response: { 200: COMPUTER, '4xx': PROBLEM },
      },
    },
    async ({ params, body: { tags, ...words }, caller }) => {
      const { id } = await registry.get(params.id);
      if (tags !== undefined) await registry.setTags(id, tags);
      return shown(await registry.update(id, words, `user ${caller.principal.userName}`));
    },
  );

  app.delete(
    '/api/v1/computers/:id',
    {
      config: { permission: 'computers.administer' },
      schema: { summary: 'Forget a computer', params: ID, response: { 204: Type.Null(), '4xx': PROBLEM } },
    },
    async ({ params: { id }, caller }, reply) => {
      await registry.forget(id, `user ${caller.principal.userName}`);
      return reply.status(204).send(null);
    },
  );

  app.post(
    '/api/v1/computers/:id/state',
    {
      config: { permission: 'computers.change' },
      schema: {
        summary: 'Say that a computer has a system of its own (adopted), or has none any more (set-aside)',
        params: ID,
        body: Type.Object({ cause: Type.Enum(['adopted', 'set-aside', 'withdrawn']) }, CLOSED),
        response: { 200: Type.Object({ state: STATE }), '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body: { cause }, caller }) => ({
      state: await registry.changeState(id, { cause, actor: `user ${caller.principal.userName}` }),
    }),
  );

  app.post(
    '/api/v1/computers/:id/merge',
    {
      config: { permission: 'computers.administer' },
      schema: {
        summary: 'Two records are one computer: the other one goes into this one',
        params: ID,
        body: OTHER,
        response: { 200: COMPUTER, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body: { other }, caller }) =>
      shown(await registry.merge(id, other, `user ${caller.principal.userName}`)),
  );

  app.post(
    '/api/v1/computers/:id/split',
    {
      config: { permission: 'computers.administer' },
      schema: {
        summary: 'Two records are different computers, and this is not asked again',
        params: ID,
        body: OTHER,
        response: { 204: Type.Null(), '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body: { other }, caller }, reply) => {
      await registry.split(id, other, `user ${caller.principal.userName}`);
      return reply.status(204).send(null);
    },
  );

  app.get(
    '/api/v1/hardware',
    {
      config: { permission: 'hardware.read' },
      schema: { summary: 'Hardware that equal machines share, and known virtual hardware' },
    },
    async () => registry.hardware(),
  );
}
