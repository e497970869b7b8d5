import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PXE_SETTINGS } from '../pxe/pxe-settings.ts';
import { readServerSettings } from './server-settings.ts';

const scratch = mkdtempSync(join(tmpdir(), 'diskferry-settings-'));
after(() => rmSync(scratch, { recursive: true }));
const PACKAGED = join(import.meta.dirname, '../../packaging/server.toml');

function file(text: string): string {
  const path = join(scratch, 'server.toml');
  writeFileSync(path, text);
  return path;
}

const DEFAULTS = {
  database: 'sqlite:/state/server.sqlite',
  listen: undefined,
  port: 7443,
  hosts: [],
  logLevel: 'info',
  jobsAtOnce: 4,
  jobsAtOncePerLink: 2,
  powerHook: undefined,
  pxe: {},
};

test('the packaged file changes nothing, and what it shows as the defaults are the defaults', () => {
  assert.deepEqual(readServerSettings(PACKAGED, '/state'), DEFAULTS);
  const [text = '', pxe = ''] = readFileSync(PACKAGED, 'utf8').split(/^(?=\[pxe\])/m);
  const uncommented = (lines: string): string => lines.replaceAll(/^#(?=[a-z-]+ = )/gm, '');
  const shown = text.split('\n').filter((line) => !/^#(database = "post|listen|hosts|hook)/.test(line));
  assert.deepEqual(readServerSettings(file(uncommented(shown.join('\n'))), '/state'), DEFAULTS);
  const { pxe: all } = readServerSettings(file(uncommented(pxe)), '/state');
  assert.deepEqual(Object.keys(all).toSorted(), Object.keys(PXE_SETTINGS.properties).toSorted());
});

test('all settings are read', () => {
  const path = file(
    'database = "postgresql://x@y/z"\nlisten = "192.0.2.1"\nport = 8443\nhosts = ["a", "b"]\nlog-level = "debug"\n' +
      '[jobs]\nat-once = 8\nat-once-per-link = 3\n[power]\nhook = "/x/power"\n' +
      '[pxe]\ninterface = "eth0"\nloading-addresses = "192.0.2.8-192.0.2.9"\nsecure-boot = true\n',
  );
  assert.deepEqual(readServerSettings(path, '/state'), {
    database: 'postgresql://x@y/z',
    listen: '192.0.2.1',
    port: 8443,
    hosts: ['a', 'b'],
    logLevel: 'debug',
    jobsAtOnce: 8,
    jobsAtOncePerLink: 3,
    powerHook: '/x/power',
    pxe: { interface: 'eth0', 'loading-addresses': '192.0.2.8-192.0.2.9', 'secure-boot': true },
  });
  const absolute = file('database = "sqlite:/srv/db.sqlite"');
  assert.equal(readServerSettings(absolute, '/state').database, 'sqlite:/srv/db.sqlite');
});

test('mistakes are said with the file and the setting', () => {
  const cases: Record<string, RegExp> = {
    'prot = 1': /server\.toml: there is no setting "prot"/,
    'port = 70000': /"port" must be <= 65535/,
    'log-level = "loud"': /"log-level"/,
    '[jobs]\nat-once = 0': /"jobs\.at-once" must be >= 1/,
    '[pxe]\nunknown = "start"': /"pxe\.unknown"/,
    'port = ': /cannot be read/,
  };
  for (const [text, message] of Object.entries(cases)) {
    assert.throws(() => readServerSettings(file(text), '/state'), { code: 'USAGE', message });
  }
  assert.throws(() => readServerSettings(join(scratch, 'missing'), '/state'), {
    code: 'USAGE',
    message: /ENOENT/,
  });
});
