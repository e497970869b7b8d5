import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable, jsonText, printable } from './output.ts';

test('what strangers wrote gives no commands to a terminal', () => {
  assert.equal(
    printable('disk\u001B[2J\u009B1m\r\u0007\u007F ä→😀\n\ttab'),
    'disk\uFFFD[2J\uFFFD1m\uFFFD\uFFFD\uFFFD ä→😀\n\ttab',
  );
});

test('JSON keeps what strangers wrote, without commands for a terminal', () => {
  const value = { model: 'a\u001B[2J\u009B1m\u007F\n' };
  assert.equal(jsonText(value), '{"model":"a\\u001b[2J\\u009b1m\\u007f\\n"}');
  assert.deepEqual(JSON.parse(jsonText(value, 2)), value);
});

test('the cells of a table stand below each other', () => {
  assert.equal(
    formatTable(
      [
        ['NAME', 'SIZE', 'NOTES'],
        ['web', '1.0 GB', ''],
        ['database', '20.5 MB', 'old'],
      ],
      [1],
    ),
    'NAME         SIZE  NOTES\nweb        1.0 GB\ndatabase  20.5 MB  old',
  );
});
