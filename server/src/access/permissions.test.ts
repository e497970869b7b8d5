import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Action,
  includesScope,
  isAtLeast,
  lesserRole,
  PERMISSIONS,
  type Permission,
  SCOPES,
} from './permissions.ts';

const ALL = Object.entries(PERMISSIONS) as [Action, Permission][];

test('each role may do what those below it may', () => {
  assert.ok(isAtLeast('administrator', 'viewer'));
  assert.ok(isAtLeast('operator', 'operator'));
  assert.ok(!isAtLeast('viewer', 'operator'));
  assert.equal(lesserRole('administrator', 'operator'), 'operator');
  assert.equal(lesserRole('viewer', 'operator'), 'viewer');
});

test('a viewer changes nothing but his own tokens', () => {
  const writes = ALL.filter(([, { role, scope }]) => role === 'viewer' && scope.endsWith(':write'));
  assert.deepEqual(
    writes.map(([action]) => action),
    ['tokens.change'],
  );
});

test('users, enrolments, locations and the audit log are for administrators', () => {
  for (const [action, { role }] of ALL) {
    if (/^(users|enrolments|audit)\.|^locations\.change/.test(action)) {
      assert.equal(role, 'administrator', action);
    }
  }
});

test('every action has a scope of the group that its name says', () => {
  for (const [action, { scope }] of ALL) {
    assert.ok(SCOPES.includes(scope), action);
    assert.equal(action.split('.')[0], scope.split(':')[0]);
    assert.equal(scope.endsWith(':read'), action.endsWith('.read'), action);
  }
});

test('who may write may read, who may read may not write, and no list is no limit', () => {
  assert.ok(includesScope(['images:write'], 'images:read'));
  assert.ok(!includesScope(['images:read'], 'images:write'));
  assert.ok(!includesScope(['images:write'], 'jobs:read'));
  assert.ok(!includesScope([], 'images:read'));
  assert.ok(includesScope(undefined, 'users:write'));
});
