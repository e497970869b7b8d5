import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createAuthority } from '@diskferry/trust/authority';
import { InterruptedError } from '../interrupted-error.ts';
import { ApiClient } from './api-client.ts';
import { followJob } from './follow-job.ts';
import { ROUTES } from './routes.ts';
import { startSecureApi } from './testing/secure-api.ts';

const { signal } = new AbortController();

test('every route that the client knows is one of the server', async (t) => {
  const { api } = await startSecureApi(t);
  const known = api.routes.map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(
    Object.values(ROUTES).filter((route) => !known.includes(route)),
    [],
  );
});

test('it asks with words and bodies, and reads the answers', async (t) => {
  const client = (await startSecureApi(t)).client();
  assert.deepEqual(await client.call('server'), { version: '1.2.3', user: 'admin', role: 'administrator' });
  const job = await client.call('startJob', { body: { kind: 'quick', spec: { word: 'ä/ö' } } });
  assert.equal((await client.call('job', { id: job.id })).spec['word'], 'ä/ö');
  assert.equal((await client.call('jobs', { query: { kind: 'quick', state: undefined } })).length, 1);
  assert.deepEqual(await client.call('jobs', { query: { kind: 'slow' } }), []);
  await assert.rejects(client.call('job', { id: '../../etc' }), { code: 'JOB_MISSING' });
});

test('a refusal is told with the code and the sentence of the server', async (t) => {
  const server = await startSecureApi(t);
  const client = server.client();
  await assert.rejects(client.call('job', { id: 'x' }), { code: 'JOB_MISSING', message: /no job x/ });
  await assert.rejects(client.call('startJob', { body: { kind: 'strange', spec: {} } }), {
    code: 'JOB_KIND',
  });
  await assert.rejects(server.client({ token: 'dft_1_2', tokenFrom: 'the file F' }).call('server'), {
    code: 'UNAUTHENTICATED',
    message: /does not take the token of the file F: .*diskferry login https:\/\/localhost:\d+$/,
  });
  const { json: user } = await server.ask('POST', '/api/v1/users', { body: { name: 'v', role: 'viewer' } });
  const tokens = `/api/v1/users/${user.id}/tokens`;
  const { json: weak } = await server.ask('POST', tokens, { body: { name: 'weak' } });
  await assert.rejects(
    server.client({ token: weak.text }).call('startJob', { body: { kind: 'quick', spec: {} } }),
    { code: 'FORBIDDEN', message: /needs the role operator/ },
  );
  const scopes = { body: { name: 'narrow', scopes: ['jobs:read'] } };
  const { json: narrow } = await server.ask('POST', tokens, scopes);
  await assert.rejects(server.client({ token: narrow.text }).call('images'), {
    code: 'FORBIDDEN',
    message: /needs a token with the scope images:read/,
  });
});

test('a server that another authority vouches for, or nobody, gets no token', async (t) => {
  const { client } = await startSecureApi(t);
  const { certificate } = await createAuthority('test authority');
  await assert.rejects(client({ ca: certificate }).call('server'), {
    code: 'CERTIFICATE_REFUSED',
    message: /is not trusted .*the token was not sent; it is another server/,
  });
  const { ca: _, ...access } = client().access as { ca?: string } & ApiClient['access'];
  await assert.rejects(new ApiClient(access, { signal }).call('server'), {
    code: 'CERTIFICATE_REFUSED',
    message: /--ca FILE/,
  });
});

test('a certificate for another name is refused, and the way out is told', async (t) => {
  const { client } = await startSecureApi(t, { hosts: ['other.example'] });
  await assert.rejects(client().call('server'), {
    code: 'CERTIFICATE_REFUSED',
    message: /for another name: .*--host NAME/s,
  });
});

test('nobody there, somebody who says nothing, and one who speaks no TLS are told apart', async (t) => {
  const silent = createServer((socket) => socket.on('error', () => {}));
  const plain = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  });
  for (const server of [silent, plain]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
  }
  const urlOf = (server: typeof silent): string =>
    `https://localhost:${(server.address() as AddressInfo).port}`;
  const ask = (url: string, timeoutMs = 20_000): Promise<unknown> =>
    new ApiClient({ kind: 'https', url, token: 'x', tokenFrom: 'x' }, { signal, timeoutMs }).call('server');
  await assert.rejects(ask(urlOf(plain)), { code: 'SERVER_UNREACHABLE', message: /does not speak TLS/ });
  await assert.rejects(ask(urlOf(silent), 300), { message: /has said nothing for 0.3 s/ });
  // A port that was free a moment ago may be that of another program by now.
  await assert.rejects(ask('https://localhost:1'), {
    code: 'SERVER_UNREACHABLE',
    message: /does not answer: .*ECONNREFUSED/,
  });
});

test('events follow each other, and a stream begins behind the event that is known', async (t) => {
  const { client, services } = await startSecureApi(t);
  const add = (message: string) => services.events.add({ kind: 'test', message });
  const known = await add('one');
  await add('two');
  const seen: string[] = [];
  for await (const { message } of client().events(known.id)) {
    seen.push(message);
    if (seen.length === 1) void add('three');
    else break;
  }
  assert.deepEqual(seen, ['two', 'three']);
  await assert.rejects(client({ token: 'x' }).events().next(), { code: 'UNAUTHENTICATED' });
});

test('a job is followed to its end, also past a server that does not answer for a while', async (t) => {
  const server = await startSecureApi(t);
  const client = server.client();
  const job = await client.call('startJob', { body: { kind: 'slow', spec: {} } });
  let calls = 0;
  const silences: string[] = [];
  const flaky = {
    call: (...words: Parameters<ApiClient['call']>) =>
      ++calls === 2 ? server.client({ url: 'https://localhost:1' }).call(...words) : client.call(...words),
  } as unknown as ApiClient;
  const states: string[] = [];
  const onSilence = ({ message }: Error): void => void silences.push(message);
  for await (const { state } of followJob(flaky, job.id, { signal, onSilence })) {
    if (states.length === 1) await client.call('cancelJob', { id: job.id });
    states.push(state);
  }
  assert.equal(states.at(-1), 'cancelled');
  assert.equal(silences.length, 1);

  const gone = followJob(server.client({ url: 'https://localhost:1' }), job.id, { signal, patienceMs: 1 });
  await assert.rejects(gone.next(), { code: 'SERVER_UNREACHABLE' });
  const stop = new AbortController();
  stop.abort(new InterruptedError('SIGINT'));
  const stopped = new ApiClient(client.access, { signal: stop.signal });
  await assert.rejects(followJob(stopped, job.id, { signal: stop.signal }).next(), { code: 'INTERRUPTED' });
});
