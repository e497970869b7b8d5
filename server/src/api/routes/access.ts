import { type Static, Type } from 'typebox';
import { ROLES, SCOPES } from '../../access/permissions.ts';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

const ID = Type.Object({ id: Type.String() });
const TIME = Type.String({ format: 'date-time' });
const ROLE = Type.Enum(ROLES);
const SCOPE = Type.Enum(SCOPES);
const CLOSED = { additionalProperties: false };

const USER = Type.Object({ id: Type.String(), name: Type.String(), role: ROLE, createdAt: TIME });
const TOKEN = Type.Object({
  id: Type.String(),
  userId: Type.String(),
  name: Type.String(),
  prefix: Type.String({ description: 'how its text begins' }),
  role: ROLE,
  scopes: Type.Optional(Type.Immutable(Type.Array(SCOPE))),
  createdAt: TIME,
  expiresAt: Type.Optional(TIME),
  lastUsedAt: Type.Optional(TIME),
  revokedAt: Type.Optional(TIME),
});
const NEW_TOKEN = Type.Object(
  {
    name: Type.String({ maxLength: 64 }),
    role: Type.Optional(ROLE),
    scopes: Type.Optional(Type.Immutable(Type.Array(SCOPE, { maxItems: SCOPES.length }))),
    expiresAt: Type.Optional(TIME),
  },
  CLOSED,
);
const AUDIT_ENTRY = Type.Object({
  id: Type.String(),
  at: TIME,
  userId: Type.Optional(Type.String()),
  userName: Type.Optional(Type.String()),
  tokenName: Type.Optional(Type.String()),
  action: Type.String(),
  subject: Type.Optional(Type.Object({ kind: Type.String(), id: Type.String() })),
  outcome: Type.Enum(['done', 'refused', 'failed']),
  detail: Type.Record(Type.String(), Type.Unknown()),
  remoteAddress: Type.Optional(Type.String()),
});

const SHOWN_TOKEN = Type.Object({ token: TOKEN, text: Type.String() });

/** As clients see them. */
export type ApiUser = Static<typeof USER>;
export type ApiToken = Static<typeof TOKEN>;
export type ApiShownToken = Static<typeof SHOWN_TOKEN>;

/** Users, tokens, and who did what. */
export function addAccessRoutes(app: Router, { access, audit }: Services): void {
  app.get(
    '/api/v1/users',
    {
      config: { permission: 'users.read' },
      schema: { summary: 'Users by name', response: { 200: Type.Array(USER), '4xx': PROBLEM } },
    },
    async ({ caller }) => access.users(caller.principal),
  );

  app.post(
    '/api/v1/users',
    {
      config: { permission: 'users.change' },
      schema: {
        summary: 'Make a user, who needs a token yet',
        body: Type.Object({ name: Type.String({ maxLength: 64 }), role: ROLE }, CLOSED),
        response: { 201: USER, '4xx': PROBLEM },
      },
    },
    async ({ body, caller }, reply) =>
      reply.status(201).send(await access.createUser(caller.principal, body)),
  );

  app.patch(
    '/api/v1/users/:id',
    {
      config: { permission: 'users.change' },
      schema: {
        summary: 'Give a user another role',
        params: ID,
        body: Type.Object({ role: ROLE }, CLOSED),
        response: { 200: USER, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body: { role }, caller }) => access.setRole(caller.principal, id, role),
  );

  app.delete(
    '/api/v1/users/:id',
    {
      config: { permission: 'users.change' },
      schema: {
        summary: 'Delete a user with his tokens',
        params: ID,
        response: { 200: USER, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, caller }) => access.deleteUser(caller.principal, id),
  );

  app.get(
    '/api/v1/users/:id/tokens',
    {
      config: { permission: 'tokens.read' },
      schema: {
        summary: 'The tokens of a user, without their secrets',
        params: ID,
        response: { 200: Type.Array(TOKEN), '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, caller }) => access.tokens(caller.principal, id),
  );

  app.post(
    '/api/v1/users/:id/tokens',
    {
      config: { permission: 'tokens.change' },
      schema: {
        summary: 'Make a token; its text is in this answer only',
        params: ID,
        body: NEW_TOKEN,
        response: { 201: SHOWN_TOKEN, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body, caller }, reply) => {
      const shown = await access.createToken(caller.principal, id, wishesOf(body));
      return reply.status(201).send(shown);
    },
  );

  app.delete(
    '/api/v1/tokens/:id',
    {
      config: { permission: 'tokens.change' },
      schema: { summary: 'Revoke a token', params: ID, response: { 200: TOKEN, '4xx': PROBLEM } },
    },
    async ({ params: { id }, caller }) => access.revokeToken(caller.principal, id),
  );

  app.get(
    '/api/v1/audit',
    {
      config: { permission: 'audit.read' },
      schema: {
        summary: 'Who did what, newest first',
        querystring: Type.Object({
          before: Type.Optional(Type.String({ description: 'the last id of the page before' })),
          userName: Type.Optional(Type.String()),
          action: Type.Optional(Type.String()),
          subjectId: Type.Optional(Type.String()),
          since: Type.Optional(TIME),
          until: Type.Optional(TIME),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
        }),
        response: { 200: Type.Array(AUDIT_ENTRY), '4xx': PROBLEM },
      },
    },
    async ({ query }) => audit.list(query),
  );
}

function wishesOf({ expiresAt, ...wishes }: Static<typeof NEW_TOKEN>): Static<typeof NEW_TOKEN> {
  return expiresAt === undefined ? wishes : { ...wishes, expiresAt: new Date(expiresAt).toISOString() };
}
