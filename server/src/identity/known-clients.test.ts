import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findKnownClient, type KnownClient, rememberClient } from './known-clients.ts';

const scratch = mkdtempSync(join(tmpdir(), 'diskferry-known-'));
after(() => rmSync(scratch, { recursive: true }));
let folders = 0;
const newFolder = (): string => join(scratch, String(folders++), 'clients');

const CLIENT: KnownClient = {
  host: '10.0.2.15',
  port: 7000,
  controlPort: 7001,
  fingerprint: 'a'.repeat(64),
};

test('a client is known at its address, and at no other', () => {
  const folder = newFolder();
  assert.equal(findKnownClient(CLIENT, folder), undefined);
  rememberClient(CLIENT, folder);
  assert.deepEqual(findKnownClient({ host: '10.0.2.15', port: 7000 }, folder), CLIENT);
  assert.equal(findKnownClient({ host: '10.0.2.15', port: 7002 }, folder), undefined);
  assert.equal(findKnownClient({ host: '10.0.2.16', port: 7000 }, folder), undefined);
});

test('names are known in capitals too, IPv6 addresses with their zone', () => {
  const folder = newFolder();
  rememberClient({ ...CLIENT, host: 'Metal.example' }, folder);
  assert.ok(findKnownClient({ host: 'metal.EXAMPLE', port: 7000 }, folder));
  rememberClient({ ...CLIENT, host: 'fe80::1%eth0' }, folder);
  assert.ok(findKnownClient({ host: 'fe80::1%eth0', port: 7000 }, folder));
  assert.equal(findKnownClient({ host: 'fe80::1%eth1', port: 7000 }, folder), undefined);
});

test('pairing again replaces the key', () => {
  const folder = newFolder();
  rememberClient(CLIENT, folder);
  rememberClient({ ...CLIENT, fingerprint: 'b'.repeat(64) }, folder);
  assert.equal(findKnownClient(CLIENT, folder)?.fingerprint, 'b'.repeat(64));
  assert.equal(readdirSync(folder).length, 1);
});

test('no name of a host leaves the folder, and only the owner may change what is in it', () => {
  const folder = newFolder();
  rememberClient({ ...CLIENT, host: '../../../etc/passwd' }, folder);
  const [name = '', ...others] = readdirSync(folder);
  assert.deepEqual(others, []);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
});

test('a damaged file is refused, and never taken for a client that is not known', () => {
  const folder = newFolder();
  rememberClient(CLIENT, folder);
  const [name = ''] = readdirSync(folder);
  for (const damage of ['', '{}', JSON.stringify({ ...CLIENT, fingerprint: '' })]) {
    writeFileSync(join(folder, name), damage);
    assert.throws(() => findKnownClient(CLIENT, folder), {
      code: 'STATE_DAMAGED',
      message: /remove it and pair again with --pair CODE/,
    });
  }
});
