import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isImageWord, readComputerWord, readDiskWord } from './job-operands.ts';

test('names of the catalog are told from paths, files and addresses', () => {
  for (const word of ['web', 'web:3', 'debian-12.5', '01900000-0000-7000-8000-000000000000']) {
    assert.ok(isImageWord(word), word);
  }
  for (const text of [
    './web',
    '/srv/web',
    'web.qcow2',
    'web.img',
    'web.vmdk',
    'sda@web1',
    'nbd://x/y',
    '',
    'web:x',
  ]) {
    assert.ok(!isImageWord(text), text);
  }
});

test('computers of a server are told from hosts', () => {
  assert.deepEqual(readComputerWord('sda@web1'), { computer: 'web1', disk: 'sda' });
  assert.deepEqual(readComputerWord('/dev/nvme0n1@WEB_1'), { computer: 'WEB_1', disk: 'nvme0n1' });
  assert.deepEqual(readComputerWord('web1'), { computer: 'web1' });
  for (const text of [
    'sda@192.0.2.7',
    'sda@web1.example',
    'sda@web1:7000',
    'nbd://web1/x',
    '/dev/sda',
    'a.qcow2',
  ]) {
    assert.equal(readComputerWord(text), undefined, text);
  }
  assert.deepEqual(readDiskWord('sda@web1'), { computer: 'web1', disk: 'sda' });
  assert.equal(readDiskWord('web1'), undefined);
});
