import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createAuthority } from '@diskferry/trust/authority';
import { readManagedSettings } from './managed-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'diskferry-managed-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test('server, authority and secret are read', async () => {
  const { certificate } = await createAuthority('test');
  const settings = readManagedSettings({
    server: '[fd00::2]',
    ca: file('ca', certificate),
    enrolment: file('secret', 'lab.x\n'),
  });
  assert.deepEqual(settings, {
    server: { host: 'fd00::2', port: 7443 },
    authority: certificate,
    secret: 'lab.x',
  });
});

test('files and addresses that are not what they should be are refused with what to do', async () => {
  const { certificate } = await createAuthority('test');
  const good = { server: 'lab:1', ca: file('good', certificate), enrolment: file('s', 'lab.x') };
  for (const [wrong, error] of [
    [{ server: 'a b' }, { code: 'ADDRESS_INVALID' }],
    [{ ca: file('text', 'x') }, { code: 'SETTINGS_INVALID', message: /--ca .* holds no certificate/ }],
    [{ ca: join(folder, 'no') }, { code: 'SETTINGS_INVALID', message: /no such file; a server can only be/ }],
    [{ enrolment: file('empty', '') }, { code: 'SETTINGS_INVALID', message: /no enrolment secret/ }],
    // It goes into a header of a request.
    [{ enrolment: file('lines', 'a\r\nb') }, { code: 'SETTINGS_INVALID', message: /no enrolment secret/ }],
  ] as const) {
    assert.throws(() => readManagedSettings({ ...good, ...wrong }), error);
  }
});
