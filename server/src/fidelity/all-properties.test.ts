import assert from 'node:assert/strict';
import test from 'node:test';
import { ALL_PROPERTIES, propertiesOf } from './all-properties.ts';
import { SUBJECT_NAMES } from './property.ts';

/** What the suite must have at least. */
const LEAST = 60;

test('there are at least 60 properties, and each has a name of its own', () => {
  const names = ALL_PROPERTIES.map(({ name }) => name);
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  assert.ok(names.length >= LEAST, `${names.length}`);
});

test('each file system has properties, and each property a file system', () => {
  for (const name of SUBJECT_NAMES) assert.ok(propertiesOf(name).length > 0, name);
  assert.deepEqual(
    ALL_PROPERTIES.filter(({ on }) => on.length === 0),
    [],
  );
});
