import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  newFileName,
  requireName,
  requireNotes,
  requireVersion,
  searchTextOf,
  tidyTags,
} from './image-words.ts';

const USAGE = { code: 'USAGE' };

test('a name is no path, not hidden and no option', () => {
  for (const name of ['web', 'Win11.23H2', 'a', '0', 'x'.repeat(64), 'a..b']) requireName(name, 'an image');
  const wrong = [
    '',
    '.',
    '..',
    '.hidden',
    '-f',
    'a/b',
    '../a',
    'a\0',
    'a\n',
    'a b',
    'a:1',
    'ü',
    'x'.repeat(65),
  ];
  for (const name of wrong) assert.throws(() => requireName(name, 'an image'), USAGE, JSON.stringify(name));
});

test('versions are numbers from 1', () => {
  requireVersion(1);
  requireVersion(2 ** 31 - 1);
  for (const wrong of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 31])
    assert.throws(() => requireVersion(wrong), USAGE);
});

test('tags are kept once and in order', () => {
  assert.deepEqual(tidyTags(['web', 'os=debian', 'web', 'Büro']), ['Büro', 'os=debian', 'web']);
  for (const wrong of ['', ' a', 'a b', 'a,b', '-a', 'a\0', 'x'.repeat(65)]) {
    assert.throws(() => tidyTags([wrong]), USAGE, JSON.stringify(wrong));
  }
  assert.throws(() => tidyTags(Array.from({ length: 51 }, (_, index) => `t${index}`)), USAGE);
});

test('notes are text of some length', () => {
  requireNotes('Two lines\n\tof “text” 🙂');
  for (const wrong of ['a\0', '\x1b[31m', 'x'.repeat(10_001), '\ud800']) {
    assert.throws(() => requireNotes(wrong), USAGE, JSON.stringify(wrong.slice(0, 9)));
  }
});

test('a new file says what it is and has a name of its own', () => {
  const id = '019c0000-0000-7000-8000-0123456789ab';
  assert.equal(newFileName('web', 3, id, 'qcow2'), 'web-3-0123456789ab.qcow2');
  assert.equal(searchTextOf('Web', 'For BÜRO', ['A', 'b']), 'web\nfor büro\na\nb');
});
