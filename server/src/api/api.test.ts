import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PERMISSIONS, ROLES, type Action, type Role } from '../access/permissions.ts';
import { inventoryOf } from '../serve/testing/scripted-client.ts';
import type { ApiRoute } from './api.ts';
import { startTestApi, type TestApi } from './testing/test-api.ts';

/** A path that fits a route, of something that is not there. */
function pathOf({ path }: ApiRoute): string {
  return path.replaceAll(/:\w+/g, '01900000-0000-7000-8000-000000000000');
}

function guarded({ api }: TestApi): readonly (ApiRoute & { permission: Action })[] {
  return api.routes.filter(
    (route): route is ApiRoute & { permission: Action } =>
      route.permission !== undefined && route.permission !== 'open',
  );
}

async function tokenOf({ ask }: TestApi, role: Role, more: object = {}): Promise<string> {
  const name = `${role}-${Math.random().toString(36).slice(2)}`;
  const { json: user } = await ask('POST', '/api/v1/users', { body: { name, role } });
  const { json } = await ask('POST', `/api/v1/users/${user.id}/tokens`, { body: { name: 'test', ...more } });
  return json.text;
}

describe('who may use the API', () => {
  test('health is open to all and tells nothing else; nothing besides is', async (t) => {
    const server = await startTestApi(t);
    const { status, text } = await server.ask('GET', '/health', { token: undefined });
    assert.deepEqual([status, text], [200, '{"status":"ok"}']);
    const open = server.api.routes.filter(({ permission }) => permission === 'open');
    assert.deepEqual(
      open.map(({ path }) => path),
      ['/health'],
    );
    assert.ok(guarded(server).length > 15);
  });

  test('no route answers without a token, with a wrong one, a revoked one, or one of a deleted user', async (t) => {
    const server = await startTestApi(t);
    const { ask, services, token } = server;
    const revoked = await tokenOf(server, 'administrator');
    const principal = await services.access.authenticate(revoked);
    await ask('DELETE', `/api/v1/tokens/${principal?.tokenId}`);
    const orphan = await tokenOf(server, 'administrator');
    await ask('DELETE', `/api/v1/users/${(await services.access.authenticate(orphan))?.userId}`);
    const altered = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
    for (const route of guarded(server)) {
      for (const shown of [undefined, 'rubbish', altered, revoked, orphan]) {
        const { status, json, headers } = await ask(route.method, pathOf(route), { token: shown });
        assert.deepEqual([status, json.code], [401, 'UNAUTHENTICATED'], `${route.method} ${route.path}`);
        assert.equal(headers.get('www-authenticate'), 'Bearer');
      }
    }
    const { status } = await ask('GET', '/there/is/nothing', { token: undefined });
    assert.equal(status, 401);
  });

  test('each role may do what it may and no more, on every route', async (t) => {
    const server = await startTestApi(t);
    for (const role of ROLES) {
      const token = await tokenOf(server, role);
      for (const route of guarded(server)) {
        // A stream does not end; whose tokens they are decides, which has its own test.
        if (route.path.endsWith('/stream') || route.path.endsWith('/tokens')) continue;
        const { status, json } = await server.ask(route.method, pathOf(route), {
          token,
          body: bodyFor(route),
        });
        const mayNot = ROLES.indexOf(role) < ROLES.indexOf(PERMISSIONS[route.permission].role);
        assert.equal(
          status === 403,
          mayNot,
          `${role}: ${route.method} ${route.path} ${status} ${json?.message}`,
        );
        assert.ok(status < 500, `${route.method} ${route.path}: ${status}`);
      }
    }
  });

  test('a token with scopes reaches only what is in them', async (t) => {
    const server = await startTestApi(t);
    const token = await tokenOf(server, 'administrator', { scopes: ['jobs:read'] });
    for (const route of guarded(server)) {
      if (PERMISSIONS[route.permission].scope === 'jobs:read') continue;
      const { status, json } = await server.ask(route.method, pathOf(route), { token, body: bodyFor(route) });
      assert.deepEqual([status, json.code], [403, 'FORBIDDEN'], `${route.method} ${route.path}`);
    }
    assert.equal((await server.ask('GET', '/api/v1/jobs', { token })).status, 200);
  });

  test('a token of another user is neither listed nor revoked by one who is no administrator', async (t) => {
    const server = await startTestApi(t);
    const [own, other] = [await tokenOf(server, 'operator'), await tokenOf(server, 'viewer')];
    const victim = await server.services.access.authenticate(other);
    const list = await server.ask('GET', `/api/v1/users/${victim?.userId}/tokens`, { token: own });
    assert.equal(list.status, 403);
    const end = await server.ask('DELETE', `/api/v1/tokens/${victim?.tokenId}`, { token: own });
    assert.ok([403, 404].includes(end.status));
    assert.ok(await server.services.access.authenticate(other));
  });
});

/** Something that the schemas of writing routes take, so that their handlers are reached. */
function bodyFor({ method, path }: ApiRoute): unknown {
  if (method !== 'POST' && method !== 'PATCH') return undefined;
  const found = BODIES.find(([fits]) => (typeof fits === 'string' ? fits === path : fits.test(path)));
  if (found !== undefined) return found[1]();
  return method === 'PATCH' ? {} : undefined;
}

const JOB = { kind: 'quick', spec: {} };
const BODIES: readonly (readonly [path: string | RegExp, body: () => unknown])[] = [
  ['/api/v1/users', () => ({ name: newName(), role: 'viewer' })],
  ['/api/v1/users/:id', () => ({ role: 'viewer' })],
  [/\/tokens$/, () => ({ name: 'x' })],
  ['/api/v1/jobs', () => JOB],
  [/\/for-group$/, () => ({ ...JOB, group: 'nobody' })],
  ['/api/v1/schedules', () => ({ name: newName(), cron: '0 3 * * *', job: JOB })],
  ['/api/v1/schedules/:id', () => ({ enabled: false })],
  ['/api/v1/groups', () => ({ name: newName() })],
  ['/api/v1/rules', () => ({ name: 'all', conditions: {}, namePattern: 'pc-{number}' })],
  [/^\/api\/v1\/groups\/:id\/(add|remove)$/, () => ({ computers: ['nobody'] })],
  [/\/(merge|split)$/, () => ({ other: 'nobody' })],
  [/\/state$/, () => ({ cause: 'adopted' })],
  [/\/register$/, () => ({})],
  ['/api/v1/locations', () => ({ name: 'nowhere', folder: '/nowhere' })],
  ['/api/v1/images/rename', () => ({ from: 'nobody', to: 'somebody' })],
  ['/api/v1/enrolments', () => ({ name: newName() })],
];

function newName(): string {
  return `name-${Math.random().toString(36).slice(2)}`;
}

describe('what the API makes of bad requests', () => {
  test('each is refused with a code and a sentence, and nothing happens', async (t) => {
    const { ask } = await startTestApi(t);
    const cases: [number, string, Parameters<typeof ask>][] = [
      [400, 'INVALID', ['POST', '/api/v1/users', { body: '{"name": ' }]],
      [400, 'INVALID', ['POST', '/api/v1/users', { body: { name: 'x' } }]],
      [400, 'INVALID', ['POST', '/api/v1/users', { body: { name: 'x', role: 'king' } }]],
      [400, 'INVALID', ['POST', '/api/v1/users', { body: { name: 'x', role: 'viewer', more: 1 } }]],
      [400, 'USAGE', ['POST', '/api/v1/users', { body: { name: '../x', role: 'viewer' } }]],
      [413, 'TOO_LARGE', ['POST', '/api/v1/users', { body: { name: 'x'.repeat(100_000), role: 'viewer' } }]],
      [415, 'NOT_JSON', ['POST', '/api/v1/users', { body: 'x', headers: { 'content-type': 'text/xml' } }]],
      [404, 'NOT_FOUND', ['GET', '/api/v1/nothing']],
      [404, 'JOB_MISSING', ['GET', '/api/v1/jobs/..%2f..%2fetc%2fpasswd']],
      [400, 'INVALID', ['GET', '/api/v1/jobs?limit=5000']],
      [400, 'INVALID', ['GET', '/api/v1/jobs?state=strange']],
      [404, 'NOT_FOUND', ['GET', `/api/v1/jobs/${'x'.repeat(300)}`]],
    ];
    for (const [status, code, words] of cases) {
      const answer = await ask(...words);
      assert.deepEqual([answer.status, answer.json?.code], [status, code], `${words[0]} ${words[1]}`);
      assert.ok(answer.json.message.length > 5);
    }
    assert.equal((await ask('GET', '/api/v1/users')).json.length, 1);
  });

  test('a failure of ours tells nothing of the inside', async (t) => {
    const { ask, database } = await startTestApi(t);
    await database.schema.dropTable('jobLog').execute();
    const { json: job } = await ask('POST', '/api/v1/jobs', { body: { kind: 'quick', spec: {} } });
    const { status, json } = await ask('GET', `/api/v1/jobs/${job.id}/log`);
    assert.deepEqual(
      [status, json],
      [500, { code: 'INTERNAL', message: 'the server failed; its log tells why' }],
    );
  });
});

test('what was written is in the audit log, with who, what and from where, and without secrets', async (t) => {
  const server = await startTestApi(t);
  const { ask } = server;
  const viewer = await tokenOf(server, 'viewer');
  await ask('POST', '/api/v1/users', { token: viewer, body: { name: 'mallory', role: 'administrator' } });
  await ask('POST', '/api/v1/users', { body: { name: 'no', role: 'king' } });
  const { json: entries, text } = await ask('GET', '/api/v1/audit');
  const shown = entries.map((entry: Record<string, unknown>) => [
    entry['action'],
    entry['outcome'],
    (entry['detail'] as { status: number }).status,
    entry['remoteAddress'],
  ]);
  assert.deepEqual(shown, [
    ['users.change', 'refused', 400, '127.0.0.1'],
    ['users.change', 'refused', 403, '127.0.0.1'],
    ['tokens.change', 'done', 201, '127.0.0.1'],
    ['users.change', 'done', 201, '127.0.0.1'],
  ]);
  assert.equal(entries[0].detail.body.role, 'king');
  assert.equal(entries[1].userName, entries[3].detail.body.name);
  assert.ok(!text.includes(viewer) && !text.includes(viewer.split('.')[1] ?? viewer));
});

test('computers that fit a rule are registered by it, into a group; groups change', async (t) => {
  const { ask, services } = await startTestApi(t);
  const seen = async (serial: string): Promise<string> =>
    (await services.registry.seen({ inventory: inventoryOf(serial, 'sda'), via: 'test', enrolment: 'lab' }))
      .computer.id;
  const first = await seen('SN100001');
  const rule = { name: 'lab', conditions: { enrolment: 'lab' }, namePattern: 'lab-{number:2}', group: 'lab' };
  const { status, json: made } = await ask('POST', '/api/v1/rules', { body: rule });
  assert.deepEqual([status, made.enabled, made.position], [201, true, 1]);
  assert.deepEqual((await ask('POST', '/api/v1/rules/apply')).json, { registered: 1 });
  const second = await seen('SN100002');
  const { json: list } = await ask('GET', '/api/v1/computers?group=lab');
  assert.deepEqual(
    list.computers.map(({ name, state }: { name: string; state: string }) => [name, state]),
    [
      ['lab-01', 'dormant'],
      ['lab-02', 'dormant'],
    ],
  );
  assert.equal(
    (await ask('POST', '/api/v1/groups/lab/remove', { body: { computers: [first] } })).status,
    204,
  );
  assert.deepEqual((await ask('GET', '/api/v1/groups/lab/members')).json, [second]);
  assert.equal(
    (await ask('PATCH', `/api/v1/rules/${made.id}`, { body: { enabled: false } })).json.enabled,
    false,
  );
  await seen('SN100003');
  assert.equal((await ask('GET', '/api/v1/computers?state=unregistered')).json.total, 1);
  const wrong = await ask('POST', '/api/v1/rules', { body: { ...rule, conditions: { subnet: 'lab' } } });
  assert.equal(wrong.status, 400);
});

test('a job is started, watched, cancelled and begun again', async (t) => {
  const { ask } = await startTestApi(t);
  const body = { kind: 'slow', spec: { disk: 'sda' }, priority: 3 };
  const { status, json: job } = await ask('POST', '/api/v1/jobs', { body });
  assert.equal(status, 201);
  assert.equal(job.createdBy, 'admin');
  assert.deepEqual((await ask('GET', '/api/v1/jobs?kind=slow')).json[0].spec, { disk: 'sda' });
  assert.equal((await ask('POST', `/api/v1/jobs/${job.id}/cancel`)).status, 200);
  for (let state = 'running'; state !== 'cancelled'; ) {
    state = (await ask('GET', `/api/v1/jobs/${job.id}`)).json.state;
  }
  const paused = await ask('POST', `/api/v1/jobs/${job.id}/pause`);
  assert.deepEqual([paused.status, paused.json.code], [409, 'STATE']);
  assert.equal((await ask('POST', `/api/v1/jobs/${job.id}/retry`)).status, 200);
  const strange = await ask('POST', '/api/v1/jobs', { body: { kind: 'strange', spec: {} } });
  assert.deepEqual([strange.status, strange.json.code], [400, 'JOB_KIND']);
});

test('a job is started for all computers of a group, and by the clock', async (t) => {
  const { ask, services } = await startTestApi(t);
  await ask('POST', '/api/v1/groups', { body: { name: 'lab' } });
  const ids: string[] = [];
  for (const serial of ['SN100001', 'SN100002']) {
    const { computer } = await services.registry.seen({ inventory: inventoryOf(serial, 'sda'), via: 'test' });
    ids.push(computer.id);
  }
  await ask('POST', '/api/v1/groups/lab/add', { body: { computers: ids } });
  const { status, json: started } = await ask('POST', '/api/v1/jobs/for-group', {
    body: { group: 'lab', kind: 'quick', spec: { x: 1 } },
  });
  assert.equal(status, 201);
  assert.deepEqual(
    new Set(started.map(({ spec }: { spec: object }) => JSON.stringify(spec))),
    new Set(ids.map((computer) => JSON.stringify({ x: 1, computer }))),
  );
  const job = { kind: 'quick', spec: {} };
  const made = await ask('POST', '/api/v1/schedules', { body: { name: 'nightly', cron: '0 3 * * *', job } });
  assert.deepEqual([made.status, made.json.timeZone, made.json.enabled], [201, 'UTC', true]);
  const strange = { name: 'x', cron: '0 3 * * *', job: { ...job, kind: 'strange' } };
  assert.equal((await ask('POST', '/api/v1/schedules', { body: strange })).json.code, 'JOB_KIND');
  assert.equal((await ask('DELETE', `/api/v1/schedules/${made.json.id}`)).status, 204);
  const each = { name: 'each', cron: '* * * * * *', job: { ...job, group: 'lab' } };
  const missing = { ...each, job: { ...job, group: 'nobody' } };
  assert.equal((await ask('POST', '/api/v1/schedules', { body: missing })).json.code, 'GROUP_MISSING');
  const { json: hourly } = await ask('POST', '/api/v1/schedules', { body: each });
  assert.equal(hourly.job.group, 'lab');
  const byTheClock = async (): Promise<string[]> => {
    await services.schedules.look();
    const { json: jobs } = await ask('GET', '/api/v1/jobs');
    return jobs
      .filter(({ createdBy }: { createdBy: string }) => createdBy === 'schedule each')
      .map(({ spec }: { spec: { computer: string } }) => spec.computer);
  };
  for (const deadline = Date.now() + 30_000; (await byTheClock()).length === 0; await sleep(100))
    assert.ok(Date.now() < deadline, 'the schedule has started nothing');
  await ask('DELETE', `/api/v1/schedules/${hourly.id}`);
  assert.deepEqual(new Set(await byTheClock()), new Set(ids));
  assert.deepEqual((await ask('GET', '/api/v1/schedules')).json, []);
});

test('events come as they happen, and a stream that was cut goes on where it was', async (t) => {
  const { url, token, services } = await startTestApi(t);
  const read = async (wanted: number, headers: Record<string, string> = {}): Promise<string[]> => {
    const gone = new AbortController();
    const response = await fetch(`${url}/api/v1/events/stream`, {
      headers: { authorization: `Bearer ${token}`, ...headers },
      signal: gone.signal,
    });
    assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
    let text = '';
    const ids = (): string[] => [...text.matchAll(/^id: (.+)$/gm)].map(([, id]) => id ?? '');
    for await (const chunk of response.body ?? []) {
      if (text === '') void services.events.add({ kind: 'test', message: 'Something happened.' });
      text += Buffer.from(chunk).toString();
      if (ids().length >= wanted) break;
    }
    gone.abort();
    assert.match(text, /^event: test\ndata: \{.*"message":"Something happened\."/m);
    return ids();
  };
  await services.events.add({ kind: 'test', message: 'It was before.' });
  const [first = ''] = await read(1);
  const [second] = await read(1, { 'last-event-id': first });
  const all = (await services.events.list({ kind: 'test' })).map(({ id }) => id);
  assert.deepEqual(all.slice(1), [first, second]);
});

test('the description has every route', async (t) => {
  const { ask, api } = await startTestApi(t);
  const { json } = await ask('GET', '/api/openapi.json');
  assert.equal(json.openapi, '3.1.0');
  for (const { method, path } of api.routes) {
    const described = json.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];
    assert.ok(described?.summary, `${method} ${path} is described`);
  }
  const { properties } = json.components.schemas['job-verify'];
  assert.deepEqual(Object.keys(properties), ['image', 'computer', 'disk', 'other', 'afterwards']);
  assert.equal(Object.keys(json.components.schemas).filter((name) => name.startsWith('job-')).length, 9);
  assert.match((await ask('GET', '/metrics')).text, /diskferry_computers_connected 7/);
  assert.equal((await ask('GET', '/api/v1/server')).json.version, '1.2.3');
});
