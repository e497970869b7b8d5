import assert from 'node:assert/strict';
import test from 'node:test';
import { parseExtendedAttributes } from './extended-attributes.ts';

test('names and values come back from the output of getfattr, with the bytes that it escapes', () => {
  const output = [
    '# file: /tree/two\\012lines \\134 \xff',
    'user.a\\075b=0x31',
    'user.empty=0x',
    '',
    '# file: /tree/other',
    'security.capability=0x0100',
    '',
    '',
  ].join('\n');
  const found = parseExtendedAttributes(output);
  assert.deepEqual(
    [...found].map(([path, attributes]) => [path, [...attributes]]),
    [
      [
        '/tree/two\nlines \\ \xff',
        [
          ['user.a=b', '0x31'],
          ['user.empty', '0x'],
        ],
      ],
      ['/tree/other', [['security.capability', '0x0100']]],
    ],
  );
});

test('no output means no attributes', () => {
  assert.equal(parseExtendedAttributes('').size, 0);
});
