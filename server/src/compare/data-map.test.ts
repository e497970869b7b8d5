import assert from 'node:assert/strict';
import test from 'node:test';
import { parseDataMaps, widenMap } from './data-map.ts';

const TABLE = `Filesystem type is: ef53
File size of /a
 7: name is 1099511623680 (268435455 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..       1:      34304..     34305:      2:            
   1:        2..       2:      35000..     35000:      1:      34306:
   2:        8..      15:      36000..     36007:      8:      35001: unwritten
   3: 78643200..78643200:   12345678..  12345678:      1:      36008: last
/a
 7: name: 4 extents found
File size of /b is 8192 (8 blocks of 1024 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..       1:      34304..     34305:      2:             encoded
   1:        2..       3:      35000..     35001:      2:      34306: encoded,shared
   2:        6..       7:      36000..     36001:      2:      35002: last,shared,eof
/b: 3 extents found
File size of /c is 0 (0 blocks of 4096 bytes)
/c: 0 extents found
`;

test('ranges that touch and are stored alike are joined, and what was never written is a hole', () => {
  const maps = parseDataMaps(TABLE, ['/a\n 7: name', '/unreadable', '/b', '/c']);
  assert.deepEqual(
    [...maps],
    [
      [
        '/a\n 7: name',
        [
          { start: 0, end: 3 * 4096, storage: '' },
          { start: 78643200 * 4096, end: 78643201 * 4096, storage: '' },
        ],
      ],
      [
        '/b',
        [
          { start: 0, end: 4096, storage: 'compressed' },
          { start: 6144, end: 8192, storage: '' },
        ],
      ],
      ['/c', []],
    ],
  );
});

test('a line that is not understood is an error, not a hole', () => {
  assert.throws(() => parseDataMaps(TABLE.replace('34304..', 'x'), ['/a\n 7: name']), /not understood/);
});

test('a map in larger units has data wherever a byte of it is data, up to the end of the file', () => {
  const plain = (start: number, end: number) => ({ start, end, storage: '' });
  assert.deepEqual(widenMap([plain(1024, 2048), plain(3072, 5120), plain(9216, 10240)], 4096, 10_000), [
    plain(0, 10_000),
  ]);
  assert.deepEqual(widenMap([plain(0, 1024), plain(20480, 21504)], 4096, 30_000), [
    plain(0, 4096),
    plain(20480, 24576),
  ]);
  assert.deepEqual(widenMap([plain(40960, 45056)], 4096, 30_000), []);
});
