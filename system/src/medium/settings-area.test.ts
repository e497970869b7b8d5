import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCpio } from './cpio.ts';
import type { MediumSettings } from './medium-settings.ts';
import { readCpio } from './read-cpio.ts';
import {
  findSettingsAreas,
  makeSettingsArea,
  readSettingsArea,
  SETTINGS_AREA_BYTES,
} from './settings-area.ts';

const SETTINGS: MediumSettings = { server: 'lab:7443', authority: 'CERTIFICATE\n', enrolment: 'lab.SECRET' };

test('settings come out of an area as they went in, and an empty area has none', () => {
  assert.deepEqual(readSettingsArea(makeSettingsArea(SETTINGS, 0)), SETTINGS);
  assert.equal(readSettingsArea(makeSettingsArea(undefined, 0)), undefined);
});

test('an area has the same size whatever is in it, and zeros behind its archive', () => {
  const area = makeSettingsArea(SETTINGS, 0);
  assert.equal(area.length, SETTINGS_AREA_BYTES);
  const end = area.lastIndexOf('TRAILER!!!') + 'TRAILER!!!'.length;
  assert.ok(area.subarray(end).every((byte) => byte === 0));
});

test('the secret in an area is for root only', () => {
  const area = makeSettingsArea(SETTINGS, 0).toString('latin1');
  const mode = /070701[0-9a-f]{8}([0-9a-f]{8})[0-9a-f]{88}settings\/enrolment\0/.exec(area)?.[1];
  assert.equal(Number.parseInt(mode ?? '', 16), 0o100600);
});

test('an area is found at a sector, and nowhere else', () => {
  const area = makeSettingsArea(undefined, 0);
  const medium = Buffer.alloc(4 * SETTINGS_AREA_BYTES);
  area.copy(medium, 1536);
  assert.deepEqual(findSettingsAreas(medium), [1536]);
  area.copy(medium, 2 * SETTINGS_AREA_BYTES + 8);
  assert.deepEqual(findSettingsAreas(medium), [1536]);
  // Cut off: the medium ends before the area does.
  assert.deepEqual(findSettingsAreas(medium.subarray(0, SETTINGS_AREA_BYTES)), []);
  medium.write('other', 1536 + 130);
  assert.deepEqual(findSettingsAreas(medium), []);
});

test('settings that do not fit are refused', () => {
  const authority = 'x'.repeat(SETTINGS_AREA_BYTES);
  assert.throws(() => makeSettingsArea({ ...SETTINGS, authority }, 0), RangeError);
});

test('an archive is read up to its trailer, and a damaged one up to the damage', () => {
  const entry = (path: string): { path: string; mode: number; data: Buffer } => ({
    path,
    mode: 0o100644,
    data: Buffer.from(path.repeat(3)),
  });
  const archive = makeCpio([entry('a'), entry('bc'), entry('def')], 0);
  assert.deepEqual([...readCpio(archive).keys()], ['a', 'bc', 'def']);
  assert.equal(readCpio(archive).get('def')?.toString(), 'defdefdef');
  assert.deepEqual([...readCpio(Buffer.concat([archive, archive])).keys()], ['a', 'bc', 'def']);
  const damaged = Buffer.from(archive);
  damaged.write('x', archive.indexOf('bc\0') - 110);
  assert.deepEqual([...readCpio(damaged).keys()], ['a']);
  for (let length = 0; length < archive.length; length++) readCpio(archive.subarray(0, length));
});
