import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PairedServers } from './paired-servers.ts';

const scratch = mkdtempSync(join(tmpdir(), 'diskferry-paired-'));
after(() => rmSync(scratch, { recursive: true }));
let folders = 0;
const newFolder = (): string => join(scratch, String(folders++), 'state');
const [A, B] = ['a'.repeat(64), 'b'.repeat(64)] as [string, string];

test('who has paired is known after a restart, and nobody else', () => {
  const folder = newFolder();
  const servers = new PairedServers(folder);
  assert.equal(servers.has(A), false);
  servers.add({ fingerprint: A, address: '10.0.0.2' });
  servers.add({ fingerprint: B, address: '10.0.0.3' });
  const again = new PairedServers(folder);
  assert.equal(again.has(A), true);
  assert.equal(again.has('c'.repeat(64)), false);
  assert.deepEqual(again.list(), servers.list());
});

test('only the owner may change who is believed, and no half file is left', () => {
  const folder = newFolder();
  new PairedServers(folder).add({ fingerprint: A, address: '10.0.0.2' });
  assert.deepEqual(readdirSync(folder), ['paired-servers.json']);
  assert.equal(statSync(join(folder, 'paired-servers.json')).mode & 0o777, 0o600);
});

test('a server that pairs again stands there once, with its new address', () => {
  const servers = new PairedServers(newFolder());
  servers.add({ fingerprint: A, address: '10.0.0.2' });
  servers.add({ fingerprint: A, address: '10.0.0.9' });
  assert.deepEqual(servers.list(), [{ fingerprint: A, address: '10.0.0.9' }]);
});

test('a damaged file makes nobody believed', () => {
  for (const damage of [
    '',
    '{',
    '{}',
    '{"servers":[{"fingerprint":"*","address":"x"}]}',
    '{"servers":"all"}',
  ]) {
    const folder = newFolder();
    new PairedServers(folder).add({ fingerprint: A, address: '10.0.0.2' });
    writeFileSync(join(folder, 'paired-servers.json'), damage);
    assert.deepEqual(new PairedServers(folder).list(), []);
  }
});
