import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import { startSecureApi } from '../api-client/testing/secure-api.ts';
import { dialAddressOf, keeperOfServer } from './enrolment-keeper.ts';

test('computers dial the address of the server, and never themselves', () => {
  assert.equal(dialAddressOf('https://server.example:7443'), 'server.example:7443');
  assert.equal(dialAddressOf('https://server.example'), 'server.example:443');
  assert.equal(dialAddressOf('https://[2001:db8::1]:7443'), '[2001:db8::1]:7443');
  for (const host of ['localhost', '127.0.0.1', '[::1]']) {
    assert.equal(dialAddressOf(`https://${host}:7443`), `${hostname()}:7443`);
  }
});

test('a server elsewhere makes, lists and revokes secrets', async (t) => {
  const { client, access } = await startSecureApi(t);
  const keeper = keeperOfServer(client(), access);
  assert.equal(await keeper.authority(), access.ca);
  assert.match(await keeper.create('lab'), /^lab\../);
  await assert.rejects(keeper.create('lab'), { code: 'ENROLMENT_EXISTS' });
  assert.deepEqual(
    (await keeper.list()).map(({ name }) => name),
    ['lab'],
  );
  await keeper.revoke('lab');
  assert.deepEqual(await keeper.list(), []);
  await assert.rejects(keeper.revoke('lab'), { code: 'ENROLMENT_MISSING' });
});

test('without the certificate of its authority no media can be made, and the way out is told', async (t) => {
  const { client, access } = await startSecureApi(t);
  const { ca: _, ...other } = access;
  await assert.rejects(keeperOfServer(client(), other).authority(), {
    code: 'NO_AUTHORITY',
    message: /log in with it: diskferry login https:\/\/localhost:\d+ --ca FILE/,
  });
});
