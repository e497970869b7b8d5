import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activityLines, ActivityMeter } from './status-activity.ts';

const USE = { disk: 'sda', bytesRead: 1_234_000_000, bytesWritten: 0, errors: 0, bytesPerSecond: 0 };
const OPTIONS = { columns: 79, disks: [] };

test('the use of a disk is one line, and its errors another', () => {
  assert.deepEqual(
    activityLines(
      [
        { ...USE, connections: 4, peers: ['10.0.2.2'] },
        {
          ...USE,
          disk: 'sdb',
          connections: 0,
          peers: [],
          bytesWritten: 512,
          errors: 2,
          lastError: 'sdb: EIO',
        },
      ],
      OPTIONS,
    ),
    [
      'connected: 4 from 10.0.2.2, sda: 1.2 GB read',
      'connected: 0, sdb: 1.2 GB read, 512 bytes written',
      'errors: 2, the last: sdb: EIO',
    ],
  );
  assert.deepEqual(activityLines([], OPTIONS), []);
  const looked = { ...USE, bytesRead: 0, connections: 0, peers: [] };
  assert.deepEqual(
    activityLines([looked], OPTIONS),
    [],
    'a server that only asked for the size is not shown',
  );
});

test('rate and share are told while bytes move, and the share only where it means something', () => {
  const line = (more: object, size: number, isSteady = false): string | undefined =>
    activityLines([{ ...USE, connections: 1, peers: ['a'], bytesPerSecond: 35_000_000, ...more }], {
      columns: 79,
      disks: [{ name: 'sda', size }],
      isSteady,
    })[0];
  assert.equal(line({}, 5e9), 'connected: 1 from a, sda: 1.2 GB read, 35.0 MB/s, 24 % of the disk');
  assert.equal(line({}, 5e9, true), 'connected: 1 from a, sda: 1.2 GB read, 24 % of the disk');
  assert.equal(line({}, 1e9), 'connected: 1 from a, sda: 1.2 GB read, 35.0 MB/s', 'read more than once');
  assert.equal(line({}, 5e12), 'connected: 1 from a, sda: 1.2 GB read, 35.0 MB/s', 'less than a hundredth');
});

test('a rate is measured over some seconds, and falls to nothing when nothing moves', () => {
  const meter = new ActivityMeter();
  const measure = (bytesRead: number, atMs: number): number | undefined =>
    meter.measure([{ ...USE, bytesRead, connections: 1, peers: [] }], atMs)[0]?.bytesPerSecond;
  assert.equal(measure(0, 0), 0, 'of one moment nothing is known');
  assert.equal(measure(2_000, 2_000), 1_000);
  assert.equal(measure(6_000, 4_000), 1_500);
  assert.equal(measure(6_000, 20_000), 0, 'what is long past does not count');
});
