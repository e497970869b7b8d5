import assert from 'node:assert/strict';
import test from 'node:test';
import { joinMaps, parseDataMap } from './data-map.ts';

const TABLE = `Filesystem type is: ef53
File size of /a
 7: name is 1099511623680 (268435455 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..       1:      34304..     34305:      2:            
   1:        2..       2:      35000..     35000:      1:      34306:
   2:        8..      15:      36000..     36007:      8:      35001: unwritten
   3: 78643200..78643200:   12345678..  12345678:      1:      36008: last
/a: 4 extents found
`;

test('ranges that touch are joined, and what was reserved but never written is a hole', () => {
  assert.deepEqual(parseDataMap(TABLE.replace('\n 7: name', '')), [
    { start: 0, end: 3 * 4096 },
    { start: 78643200 * 4096, end: 78643201 * 4096 },
  ]);
});

test('a line that is not understood is an error, not a hole', () => {
  assert.throws(() => parseDataMap(TABLE), /not understood/);
});

test('a file without data has an empty map', () => {
  assert.deepEqual(parseDataMap('File size of /a is 0 (0 blocks of 4096 bytes)\n/a: 0 extents found\n'), []);
});

test('two maps are joined to what either has, cut at the end of the file', () => {
  const left = [
    { start: 0, end: 10 },
    { start: 50, end: 60 },
  ];
  assert.deepEqual(
    joinMaps(
      left,
      [
        { start: 5, end: 20 },
        { start: 55, end: 99 },
      ],
      70,
    ),
    [
      { start: 0, end: 20 },
      { start: 50, end: 70 },
    ],
  );
});
