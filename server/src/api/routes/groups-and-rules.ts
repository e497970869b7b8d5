import { type Static, Type } from 'typebox';
import type { RegistrationRule } from '../../registry/rule-book.ts';
import { PROBLEM } from '../problems.ts';
import type { Router } from '../router.ts';
import type { Services } from '../services.ts';

const ID = Type.Object({ id: Type.String({ description: 'id; of a group also its name' }) });
const CLOSED = { additionalProperties: false };
const NAME = Type.String({ maxLength: 64 });
const NOTHING = { 204: Type.Null(), '4xx': PROBLEM };

const GROUP = Type.Object({ id: Type.String(), name: Type.String(), members: Type.Integer() });
const MEMBERS = Type.Object(
  { computers: Type.Array(Type.String({ description: 'id or name' }), { maxItems: 1000 }) },
  CLOSED,
);

const CONDITION = Type.Optional(Type.String({ maxLength: 200 }));
const RULE_WORDS = {
  name: NAME,
  conditions: Type.Object(
    {
      manufacturer: CONDITION,
      product: CONDITION,
      enrolment: CONDITION,
      macPrefix: CONDITION,
      subnet: CONDITION,
    },
    {
      ...CLOSED,
      description: 'all that is given must fit; * stands for any text in manufacturer and product',
    },
  ),
  namePattern: Type.String({
    maxLength: 100,
    description: 'such as "lab-{number:2}" or "{product}-{serial}"',
  }),
  group: Type.Optional(NAME),
  enabled: Type.Optional(Type.Boolean()),
  position: Type.Optional(Type.Integer({ minimum: 1, description: 'the first rule that fits counts' })),
};
const NEW_RULE = Type.Object(RULE_WORDS, CLOSED);
const RULE = Type.Object({
  ...RULE_WORDS,
  id: Type.String(),
  enabled: Type.Boolean(),
  position: Type.Integer(),
});

/** Groups of computers, and rules that register those that fit. */
export function addGroupAndRuleRoutes(app: Router, { registry }: Services): void {
  const shown = (rule: RegistrationRule): Static<typeof RULE> =>
    JSON.parse(JSON.stringify(rule)) as Static<typeof RULE>;

  app.get(
    '/api/v1/groups',
    {
      config: { permission: 'computers.read' },
      schema: { summary: 'Groups of computers', response: { 200: Type.Array(GROUP), '4xx': PROBLEM } },
    },
    async () => registry.groups(),
  );

  app.post(
    '/api/v1/groups',
    {
      config: { permission: 'computers.change' },
      schema: {
        summary: 'Make a group',
        body: Type.Object({ name: NAME }, CLOSED),
        response: { 201: GROUP, '4xx': PROBLEM },
      },
    },
    async ({ body: { name } }, reply) => reply.status(201).send(await registry.createGroup(name)),
  );

  app.delete(
    '/api/v1/groups/:id',
    {
      config: { permission: 'computers.change' },
      schema: { summary: 'Delete a group; its computers stay', params: ID, response: NOTHING },
    },
    async ({ params: { id } }, reply) => {
      await registry.deleteGroup(id);
      return reply.status(204).send(null);
    },
  );

  app.get(
    '/api/v1/groups/:id/members',
    {
      config: { permission: 'computers.read' },
      schema: {
        summary: 'Ids of its computers',
        params: ID,
        response: { 200: Type.Array(Type.String()), '4xx': PROBLEM },
      },
    },
    async ({ params: { id } }) => registry.groupMembers(id),
  );

  for (const [change, method] of [
    ['add', 'addToGroup'],
    ['remove', 'removeFromGroup'],
  ] as const) {
    app.post(
      `/api/v1/groups/:id/${change}`,
      {
        config: { permission: 'computers.change' },
        schema: { summary: `${change} computers`, params: ID, body: MEMBERS, response: NOTHING },
      },
      async ({ params: { id }, body: { computers } }, reply) => {
        await registry[method](id, computers);
        return reply.status(204).send(null);
      },
    );
  }

  app.get(
    '/api/v1/rules',
    {
      config: { permission: 'computers.read' },
      schema: {
        summary: 'Rules of registration in their order',
        response: { 200: Type.Array(RULE), '4xx': PROBLEM },
      },
    },
    async () => (await registry.rules()).map(shown),
  );

  app.post(
    '/api/v1/rules',
    {
      config: { permission: 'computers.administer' },
      schema: { summary: 'Make a rule', body: NEW_RULE, response: { 201: RULE, '4xx': PROBLEM } },
    },
    async ({ body }, reply) => reply.status(201).send(shown(await registry.addRule(body))),
  );

  app.patch(
    '/api/v1/rules/:id',
    {
      config: { permission: 'computers.administer' },
      schema: {
        summary: 'Change a rule',
        params: ID,
        body: Type.Partial(NEW_RULE),
        response: { 200: RULE, '4xx': PROBLEM },
      },
    },
    async ({ params: { id }, body }) => shown(await registry.updateRule(id, body)),
  );

  app.delete(
    '/api/v1/rules/:id',
    {
      config: { permission: 'computers.administer' },
      schema: { summary: 'Delete a rule', params: ID, response: NOTHING },
    },
    async ({ params: { id } }, reply) => {
      await registry.deleteRule(id);
      return reply.status(204).send(null);
    },
  );

  app.post(
    '/api/v1/rules/apply',
    {
      config: { permission: 'computers.administer' },
      schema: {
        summary: 'Register all unregistered computers that a rule fits',
        response: { 200: Type.Object({ registered: Type.Integer() }), '4xx': PROBLEM },
      },
    },
    async () => ({ registered: await registry.applyRules() }),
  );
}
