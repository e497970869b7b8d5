import assert from 'node:assert/strict';
import test from 'node:test';
import { parseSignature } from './blkid.ts';

test('type, UUID and label come from the output of blkid, odd bytes decoded', () => {
  const output =
    'ID_FS_LABEL=a_b\nID_FS_LABEL_ENC=a\\x20b\\x5c=ü\nID_FS_UUID_ENC=C0FF-EE42\nID_FS_VERSION=FAT32\nID_FS_TYPE=vfat\n';
  assert.deepEqual(parseSignature(output), {
    type: 'vfat',
    version: 'FAT32',
    uuid: 'C0FF-EE42',
    label: 'a b\\=ü',
    ambiguous: false,
  });
});

test('no output means an unknown file system', () => {
  assert.equal(parseSignature('').type, 'unknown');
});
