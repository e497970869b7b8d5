import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Enrolments } from './enrolments.ts';

const folder = mkdtempSync(join(tmpdir(), 'diskferry-enrolments-'));
after(() => rmSync(folder, { recursive: true }));
let folders = 0;
const fresh = (): { path: string; enrolments: Enrolments } => {
  const path = join(folder, String(folders++));
  return { path, enrolments: new Enrolments(path) };
};

test('a secret admits under its name, and a restart of the server changes nothing', () => {
  const { path, enrolments } = fresh();
  const secret = enrolments.create('lab');
  assert.equal(enrolments.admit(secret)?.name, 'lab');
  assert.equal(new Enrolments(path).admit(secret)?.name, 'lab');
});

test('the secret itself is not kept, and what is kept is for its owner only', () => {
  const { path, enrolments } = fresh();
  const secret = enrolments.create('lab');
  const [file = ''] = readdirSync(path);
  assert.equal(readFileSync(join(path, file), 'utf8').includes(secret.split('.')[1] ?? ''), false);
  assert.equal(statSync(join(path, file)).mode & 0o777, 0o600);
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test('an unknown, changed or misshapen secret is refused', () => {
  const { path, enrolments } = fresh();
  const secret = enrolments.create('lab');
  writeFileSync(join(path, 'broken.json'), '{"sha256":');
  for (const wrong of [
    '',
    'lab',
    'lab.',
    `${secret}x`,
    secret.slice(0, -1),
    secret.replace('lab', 'Lab'),
    secret.replace('lab', 'other'),
    '../lab.x',
    'broken.x',
  ]) {
    assert.equal(enrolments.admit(wrong), undefined, wrong);
  }
});

test('a revoked secret is refused, also after another one got its name', async () => {
  const { path, enrolments } = fresh();
  const secret = enrolments.create('lab');
  const admitted = enrolments.admit(secret);
  assert.ok(admitted);
  assert.ok(enrolments.isValid(admitted));
  const { promise: told, resolve } = Promise.withResolvers<void>();
  const watcher = enrolments.onChange(resolve);
  new Enrolments(path).revoke('lab');
  await told;
  watcher.close();
  assert.equal(enrolments.admit(secret), undefined);
  assert.equal(enrolments.isValid(admitted), false);
  assert.notEqual(enrolments.create('lab'), secret);
  assert.equal(enrolments.admit(secret), undefined);
  assert.equal(enrolments.isValid(admitted), false);
});

test('names that are taken, missing or no file names are refused', () => {
  const { enrolments } = fresh();
  enrolments.create('b');
  enrolments.create('a');
  assert.throws(() => enrolments.create('a'), { code: 'ENROLMENT_EXISTS' });
  assert.throws(() => enrolments.revoke('c'), { code: 'ENROLMENT_MISSING' });
  for (const name of ['', '../a', 'a.b', 'a b', 'ä', 'x'.repeat(33), '-a']) {
    assert.throws(() => enrolments.create(name), { code: 'USAGE' });
    assert.throws(() => enrolments.revoke(name), { code: 'USAGE' });
  }
  assert.deepEqual(
    enrolments.list().map(({ name }) => name),
    ['a', 'b'],
  );
});
