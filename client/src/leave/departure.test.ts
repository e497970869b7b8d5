import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { KexecPieceMessage } from '@diskferry/protocol/control';
import { type Access, openAccess } from '../access/access.ts';
import { managedAccess } from '../managed/managed-access.ts';
import { Departure } from './departure.ts';

const SCRIPT_FOLDER = 'usr/lib/diskferry';

function madeUpSystem(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'diskferry-departure-'));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, SCRIPT_FOLDER), { recursive: true });
  const script = join(root, SCRIPT_FOLDER, 'leave');
  writeFileSync(script, `#!/bin/sh\necho "$1" >>'${root}/calls'\n`);
  chmodSync(script, 0o755);
  return root;
}

const piece = (offset: number, text: string): KexecPieceMessage => ({
  type: 'kexec-piece',
  id: 1,
  file: 'kernel',
  offset,
  data: Buffer.from(text).toString('base64'),
});
const leaving = { type: 'leave', id: 1, how: 'reboot' } as const;
const WRITABLE: Access = openAccess({ writable: true });

test('pieces become a file, in any order, and one at place 0 begins it anew', (context) => {
  const root = madeUpSystem(context);
  const departure = new Departure(root);
  const kernel = (): string => readFileSync(join(root, 'run/diskferry/kexec/kernel'), 'latin1');
  departure.keep(WRITABLE, piece(0, 'abc'));
  departure.keep(WRITABLE, piece(6, 'ghi'));
  departure.keep(WRITABLE, piece(3, 'def'));
  assert.equal(kernel(), 'abcdefghi');
  departure.keep(WRITABLE, piece(0, 'x'));
  assert.equal(kernel(), 'x');
});

test('a piece that is too large, or lies too far, is refused', (context) => {
  const departure = new Departure(madeUpSystem(context));
  for (const wrong of [piece(0, 'x'.repeat(11 * 1024 + 1)), piece(512 * 1024 * 1024, 'x')]) {
    assert.throws(() => departure.keep(WRITABLE, wrong), { code: 'LEAVE_FAILED' });
  }
});

test('the computer leaves after the answer', async (context) => {
  const root = madeUpSystem(context);
  const end = new Departure(root).prepare(WRITABLE, leaving);
  assert.throws(() => readFileSync(join(root, 'calls')));
  await end();
  assert.equal(readFileSync(join(root, 'calls'), 'utf8'), 'reboot\n');
});

test('the server that its medium names may send it away', async (context) => {
  const root = madeUpSystem(context);
  await new Departure(root).prepare(managedAccess({ host: 'server.example', port: 7443 }), leaving)();
  assert.equal(readFileSync(join(root, 'calls'), 'utf8'), 'reboot\n');
});

test('it stays for who proves nothing, while a job writes, and where it runs on no secondary OS', (context) => {
  const root = madeUpSystem(context);
  const refusal = (access: Access, where = root): void => {
    const departure = new Departure(where);
    assert.throws(() => departure.prepare(access, leaving), { code: 'LEAVE_REFUSED' });
    assert.throws(() => departure.keep(access, piece(0, 'x')), { code: 'LEAVE_REFUSED' });
  };
  refusal(openAccess({ writable: false }));
  refusal(WRITABLE, join(root, 'usr'));
  const busy = openAccess({ writable: true });
  const request = { disk: 'sda', generation: '1', job: 'deploy-1', description: 'writes' };
  busy.grants.give({ id: 'everybody', name: 'x' }, {}, request);
  assert.throws(() => new Departure(root).prepare(busy, leaving), {
    code: 'LEAVE_REFUSED',
    message: /job deploy-1 writes to sda/,
  });
  busy.grants.end({ id: 'everybody', name: 'x' }, 'sda');
});

test('without a kernel the computer stays', (context) => {
  const departure = new Departure(madeUpSystem(context));
  assert.throws(() => departure.prepare(WRITABLE, { ...leaving, how: 'kexec' }), { code: 'LEAVE_FAILED' });
});
