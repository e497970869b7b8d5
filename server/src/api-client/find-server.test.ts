import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findServer } from './find-server.ts';
import { loginFile, readLoginFile, removeLoginFile, writeLoginFile } from './login-file.ts';
import { parseServerUrl } from './server-access.ts';

const KEPT = { url: 'https://kept.example:7443', token: 'dft_kept', ca: 'the authority' };
const PEM = '-----BEGIN CERTIFICATE-----\n';

/** An environment whose login and local server are those of the test. */
function place(t: TestContext): { folder: string; env: NodeJS.ProcessEnv; file: string } {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-login-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const env = { XDG_CONFIG_HOME: folder };
  return { folder, env, file: loginFile(env) };
}

test('the command line goes before the environment, this before the login, this before the local server', async (t) => {
  const { folder, env, file } = place(t);
  const socketPath = join(folder, 'serve.sock');
  assert.equal(await findServer({ env, socketPath }), undefined);
  const local = createServer();
  await new Promise<void>((resolve) => local.listen(socketPath, resolve));
  t.after(() => local.close());
  assert.deepEqual(await findServer({ env, socketPath }), { kind: 'local', socketPath });

  writeLoginFile(file, KEPT);
  const kept = { kind: 'https', tokenFrom: file, ...KEPT };
  assert.deepEqual(await findServer({ env, socketPath }), kept);
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, PEM);
  const words = { DISKFERRY_SERVER: 'env.example', DISKFERRY_TOKEN: 'dft_env', DISKFERRY_CA: caFile };
  const named = { kind: 'https', token: 'dft_env', tokenFrom: 'DISKFERRY_TOKEN', ca: PEM };
  assert.deepEqual(await findServer({ env: { ...env, ...words } }), {
    ...named,
    url: 'https://env.example:7443',
  });
  assert.deepEqual(await findServer({ env: { ...env, ...words }, url: 'https://option.example' }), {
    ...named,
    url: 'https://option.example',
  });
  // Empty is as good as absent.
  const empty = { DISKFERRY_SERVER: '', DISKFERRY_TOKEN: '', DISKFERRY_CA: '' };
  assert.deepEqual(await findServer({ env: { ...env, ...empty } }), kept);
  assert.deepEqual(await findServer({ env, url: 'kept.example' }), kept);
});

test('a kept token is shown to no other server', async (t) => {
  const { env, file } = place(t);
  writeLoginFile(file, KEPT);
  for (const wishes of [
    { env, url: 'https://other.example:7443' },
    { env: { ...env, DISKFERRY_SERVER: 'https://kept.example:8443' } },
  ]) {
    await assert.rejects(findServer(wishes), { code: 'NO_TOKEN', message: /diskferry login https:/ });
  }
});

test('a login is kept for its owner alone, and refused where others can read it', (t) => {
  const { file } = place(t);
  assert.equal(readLoginFile(file), undefined);
  assert.equal(removeLoginFile(file), false);
  writeLoginFile(file, KEPT);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  writeLoginFile(file, { url: KEPT.url, token: 'dft_new' });
  assert.deepEqual(readLoginFile(file), { url: KEPT.url, token: 'dft_new' });
  chmodSync(file, 0o640);
  assert.throws(() => readLoginFile(file), { code: 'LOGIN_OPEN', message: /chmod 600/ });
  chmodSync(file, 0o600);
  writeFileSync(file, '{"url": 3}');
  assert.throws(() => readLoginFile(file), { code: 'LOGIN_DAMAGED', message: /log in again/ });
  assert.equal(removeLoginFile(file), true);
});

test('tokens and authorities that are none are refused before anything is sent', async (t) => {
  const { folder, env } = place(t);
  const server = { ...env, DISKFERRY_SERVER: 'x' };
  await assert.rejects(findServer({ env: { ...server, DISKFERRY_TOKEN: 'a\nb' } }), { code: 'USAGE' });
  const noPem = join(folder, 'no.pem');
  writeFileSync(noPem, 'x');
  for (const path of [noPem, join(folder, 'missing')]) {
    const wishes = { env: { ...server, DISKFERRY_TOKEN: 'a', DISKFERRY_CA: path } };
    await assert.rejects(findServer(wishes), { code: 'USAGE', message: /DISKFERRY_CA: .* cannot be used/ });
  }
});

test('addresses of servers', () => {
  for (const [text, url] of [
    ['server', 'https://server:7443'],
    ['server:8000', 'https://server:8000'],
    ['server:443', 'https://server'],
    ['https://server', 'https://server'],
    ['https://server:7443/', 'https://server:7443'],
    ['192.0.2.7', 'https://192.0.2.7:7443'],
    ['[2001:db8::1]:7000', 'https://[2001:db8::1]:7000'],
  ] as const) {
    assert.equal(parseServerUrl(text), url);
  }
  for (const text of [
    '',
    'http://server',
    'https://server/path',
    'https://me:secret@server',
    'ftp://x',
    'a b',
  ]) {
    assert.throws(() => parseServerUrl(text), { code: 'USAGE' }, text);
  }
});
