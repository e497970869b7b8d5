import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeOptionBlock } from '@diskferry/system/medium/option-block';
import { makeSettingsArea, SETTINGS_AREA_BYTES } from '@diskferry/system/medium/settings-area';
import { contentOf, readMedium } from '../media/medium.ts';
import { createAuthority } from '@diskferry/trust/authority';
import { parseInvocation } from './command.ts';
import { mediaCommand } from './media-command.ts';

const DESCRIPTOR_AT = 32_768;
const SETTINGS_AT = 65_536;
const OPTIONS_AT = SETTINGS_AT + SETTINGS_AREA_BYTES;
const SECRET = 'lab.0123456789abcdef0123456789abcdef';
let folder = '';
let trio: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-media-'));
  const ca = await file('ca.pem', (await createAuthority('media test')).certificate);
  trio = ['--server=lab:7443', `--ca=${ca}`, `--enrolment=${await file('enrolment', `${SECRET}\n`)}`];
});
after(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** As much of an ISO of ours as the command looks at. */
async function iso(name: string): Promise<string> {
  const bytes = Buffer.alloc(OPTIONS_AT + 4096, 0xee);
  bytes.write('\x01CD001\x01\0', DESCRIPTOR_AT, 'latin1');
  bytes.write('DISKFERRY'.padEnd(32), DESCRIPTOR_AT + 40, 'latin1');
  makeSettingsArea(undefined, 0).copy(bytes, SETTINGS_AT);
  makeOptionBlock([]).copy(bytes, OPTIONS_AT);
  return file(name, bytes);
}

async function media(...words: string[]): Promise<void> {
  const invocation = parseInvocation(mediaCommand, words, new AbortController().signal);
  assert.equal(await mediaCommand.run(invocation), 0);
}

test('a copy has the server and the options, the original has not, and nothing else differs', async () => {
  const plain = await iso('plain.iso');
  const before = await readFile(plain);
  const copy = join(folder, 'copy.iso');
  await media('customize', plain, copy, ...trio, '--option=ip=dhcp', '--option=nomodeset');
  const content = contentOf(await readMedium(copy));
  assert.equal(content.settings?.server, 'lab:7443');
  assert.equal(content.settings.enrolment, SECRET);
  assert.match(content.settings.authority, /BEGIN CERTIFICATE/);
  assert.deepEqual(content.options, ['ip=dhcp', 'nomodeset']);
  assert.deepEqual(await readFile(plain), before);
  const after = await readFile(copy);
  assert.deepEqual(after.subarray(0, SETTINGS_AT), before.subarray(0, SETTINGS_AT));
  assert.deepEqual(after.subarray(OPTIONS_AT + 1024), before.subarray(OPTIONS_AT + 1024));
  assert.equal((await stat(copy)).mode & 0o777, 0o600);
});

test('what the options do not name stays, and --clear takes it out', async () => {
  const first = join(folder, 'first.iso');
  await media('customize', await iso('source.iso'), first, ...trio, '--option=quiet');
  const second = join(folder, 'second.iso');
  await media('customize', first, second, '--option=debug');
  assert.equal(contentOf(await readMedium(second)).settings?.enrolment, SECRET);
  assert.deepEqual(contentOf(await readMedium(second)).options, ['debug']);
  const third = join(folder, 'third.iso');
  await media('customize', second, third, '--clear');
  assert.deepEqual(contentOf(await readMedium(third)), { settings: undefined, options: [] });
  assert.ok(!(await readFile(third)).includes(SECRET));
});

test('a file that is there is replaced only with --yes', async () => {
  const plain = await iso('again.iso');
  const target = await file('precious', 'precious');
  await assert.rejects(media('customize', plain, target, '--clear'), { code: 'NEEDS_CONFIRMATION' });
  assert.equal(await readFile(target, 'utf8'), 'precious');
  await media('customize', plain, target, '--clear', '--yes');
  assert.deepEqual(await readFile(target), await readFile(plain));
  await assert.rejects(media('customize', plain, folder, '--clear', '--yes'), { code: 'NOT_A_FILE' });
});

test('a file that is no ISO of ours is refused, and so is one that is cut off', async () => {
  const other = await file('other.iso', Buffer.alloc(100_000));
  const whole = await readFile(await iso('whole.iso'));
  const cut = await file('cut.iso', whole.subarray(0, SETTINGS_AT + 1000));
  for (const path of [other, cut, join(folder, 'missing'), folder, '/dev/null']) {
    await assert.rejects(media('show', path), { code: 'NOT_A_MEDIUM' }, path);
  }
});

test('wrong words are refused before anything is written', async () => {
  const plain = await iso('words.iso');
  const target = join(folder, 'never.iso');
  for (const words of [
    ['burn', plain],
    ['show', plain, target],
    ['show', plain, '--clear'],
    ['customize', plain],
    ['customize', plain, target],
    ['customize', plain, target, '--server=lab:7443'],
    ['customize', plain, target, '--option=two words'],
  ]) {
    await assert.rejects(media(...words), { code: 'USAGE' }, words.join(' '));
  }
  await assert.rejects(stat(target));
});
