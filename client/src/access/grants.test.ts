import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Grants, type GrantRequest } from './grants.ts';
import type { Peer } from './peer.ts';

const PEER: Peer = { id: 'a', name: '10.0.0.2' };
const OTHER: Peer = { id: 'b', name: '10.0.0.3' };
const REQUEST: GrantRequest = { disk: 'sda', generation: '1', job: 'deploy-7', description: 'web.qcow2' };
const GRACE_MS = 120_000;

function startGrants(context: TestContext): Grants {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  return new Grants();
}

test('a grant has a name that cannot be guessed, for its peer only', () => {
  const grants = new Grants();
  const { exportName } = grants.give(PEER, {}, REQUEST);
  assert.match(exportName, /^sda;grant=[\w-]{22}$/);
  assert.equal(grants.find(PEER, exportName)?.grant.job, 'deploy-7');
  assert.equal(grants.find(OTHER, exportName), undefined);
  assert.equal(grants.find(PEER, 'sda'), undefined);
  const again = new Grants().give(PEER, {}, REQUEST);
  assert.notEqual(again.exportName, exportName);
});

test('a disk has one grant at a time: another job and another peer are told who has it', () => {
  const grants = new Grants();
  grants.give(PEER, {}, REQUEST);
  for (const [peer, job] of [
    [PEER, 'deploy-8'],
    [OTHER, 'deploy-7'],
  ] as const) {
    assert.throws(() => grants.give(peer, {}, { ...REQUEST, job }), {
      code: 'GRANT_TAKEN',
      message: /^sda is written by job deploy-7 of 10\.0\.0\.2; wait until it has ended/,
    });
  }
  grants.give(OTHER, {}, { ...REQUEST, disk: 'sdb' });
  assert.equal(grants.list().length, 2);
});

test('a grant that was given back is over at once, and makes room', () => {
  const grants = new Grants();
  const grant = grants.give(PEER, {}, REQUEST);
  grants.end(OTHER, 'sda');
  assert.equal(grant.isActive, true, 'another peer cannot end it');
  grants.end(PEER, 'sda');
  assert.equal(grant.isActive, false);
  assert.equal(grants.find(PEER, grant.exportName), undefined);
  grants.end(PEER, 'sda');
  grants.give(OTHER, {}, REQUEST);
});

test('a grant ends when its connection has been gone for two minutes', (context) => {
  const grants = startGrants(context);
  const holder = {};
  const grant = grants.give(PEER, holder, REQUEST);
  context.mock.timers.tick(10 * GRACE_MS);
  assert.equal(grant.isActive, true, 'while the connection is there it does not end');
  grants.connectionClosed({});
  grants.connectionClosed(holder);
  context.mock.timers.tick(GRACE_MS - 1);
  assert.equal(grant.isActive, true);
  context.mock.timers.tick(1);
  assert.equal(grant.isActive, false);
  assert.deepEqual(grants.list(), []);
});

test('a new connection of the same peer takes the grant over for the same job, with a new name', (context) => {
  const grants = startGrants(context);
  const [first, second] = [{}, {}];
  const grant = grants.give(PEER, first, REQUEST);
  const { exportName } = grant;
  grants.connectionClosed(first);
  context.mock.timers.tick(GRACE_MS - 1);
  assert.equal(grants.give(PEER, second, REQUEST), grant);
  assert.notEqual(grant.exportName, exportName);
  for (const name of [exportName, grant.exportName]) assert.equal(grants.find(PEER, name)?.grant, grant);
  context.mock.timers.tick(GRACE_MS);
  assert.equal(grant.isActive, true);
  grants.connectionClosed(first);
  context.mock.timers.tick(GRACE_MS);
  assert.equal(grant.isActive, true, 'the old connection no longer answers for it');
});

test('a new connection takes the grant over before the end of the old one is noticed', (context) => {
  const grants = startGrants(context);
  const [first, second] = [{}, {}];
  grants.give(PEER, first, REQUEST);
  const { exportName } = grants.give(PEER, second, REQUEST);
  grants.connectionClosed(first);
  context.mock.timers.tick(GRACE_MS);
  assert.ok(grants.find(PEER, exportName));
});

test('a few names of a grant are known, and no more', () => {
  const grants = new Grants();
  const names = Array.from({ length: 20 }, () => grants.give(PEER, {}, REQUEST).exportName);
  assert.equal(new Set(names).size, 20);
  assert.equal(names.filter((name) => grants.find(PEER, name) !== undefined).length, 4);
  assert.ok(grants.find(PEER, names.at(-1) ?? ''));
});

test('nobody else gets the disk during the two minutes', (context) => {
  const grants = startGrants(context);
  const holder = {};
  grants.give(PEER, holder, REQUEST);
  grants.connectionClosed(holder);
  assert.throws(() => grants.give(OTHER, {}, REQUEST), { code: 'GRANT_TAKEN' });
  context.mock.timers.tick(GRACE_MS);
  grants.give(OTHER, {}, REQUEST);
});

test('another disk of the same name gets a grant of its own, and the old one is over', () => {
  const grants = new Grants();
  const old = grants.give(PEER, {}, REQUEST);
  const grant = grants.give(OTHER, {}, { ...REQUEST, generation: '2' });
  assert.equal(old.isActive, false);
  assert.notEqual(grant.exportName, old.exportName);
});

test('what would spoil the screen is refused', () => {
  const grants = new Grants();
  for (const wrong of [
    { job: '' },
    { job: ' ' },
    { job: 'x'.repeat(65) },
    { job: 'a\nb' },
    { description: '' },
    { description: 'x'.repeat(201) },
    { description: '\u001b[2J all is well' },
    { description: 'a\u202eb' },
  ]) {
    assert.throws(() => grants.give(PEER, {}, { ...REQUEST, ...wrong }), { code: 'GRANT_INVALID' });
  }
  assert.deepEqual(grants.list(), []);
});
