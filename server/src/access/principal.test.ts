import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayDo, type Principal, requirePermission } from './principal.ts';

const OPERATOR: Principal = {
  userId: 'u1',
  userName: 'olga',
  tokenId: 't1',
  tokenName: 'laptop',
  role: 'operator',
};
const LIMITED: Principal = { ...OPERATOR, tokenName: 'backup', scopes: ['images:write', 'jobs:read'] };

test('who is not known may do nothing', () => {
  assert.throws(() => requirePermission(undefined, 'computers.read'), {
    name: 'AccessError',
    code: 'UNAUTHENTICATED',
    message: /Authorization: Bearer/,
  });
});

test('a role may do what is for it and for lesser ones, and no more', () => {
  assert.doesNotThrow(() => requirePermission(OPERATOR, 'jobs.start'));
  assert.doesNotThrow(() => requirePermission(OPERATOR, 'computers.read'));
  assert.ok(mayDo(OPERATOR, 'jobs.start'));
  assert.ok(!mayDo(OPERATOR, 'users.change'));
  assert.throws(() => requirePermission(OPERATOR, 'users.change'), {
    code: 'FORBIDDEN',
    message:
      /needs the role administrator \(users\.change\); olga has the role operator with the token laptop/,
  });
});

test('a limited token may do what is in its scopes, and no more', () => {
  assert.doesNotThrow(() => requirePermission(LIMITED, 'images.delete'));
  assert.doesNotThrow(() => requirePermission(LIMITED, 'images.read'));
  assert.doesNotThrow(() => requirePermission(LIMITED, 'jobs.read'));
  assert.throws(() => requirePermission(LIMITED, 'jobs.start'), {
    code: 'FORBIDDEN',
    message:
      /scope jobs:write \(jobs\.start\); the token backup of olga is limited to images:write, jobs:read$/,
  });
  assert.throws(() => requirePermission({ ...OPERATOR, scopes: [] }, 'jobs.read'), /limited to nothing$/);
});

test('a scope gives no role', () => {
  const principal: Principal = { ...OPERATOR, role: 'viewer', scopes: ['users:write', 'images:write'] };
  for (const action of ['users.change', 'images.import', 'tokens.change'] as const) {
    assert.throws(() => requirePermission(principal, action), { code: 'FORBIDDEN' }, action);
  }
});
