import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isIdentifyingMac } from './macs.ts';
import { isIdentifyingSerial, isIdentifyingWwn } from './serials.ts';
import { bothByteOrders, isIdentifyingUuid } from './uuids.ts';

test('UUIDs that makers ship many times identify nothing, in either byte order', () => {
  for (const uuid of [
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
    '00020003-0004-0005-0006-000700080009',
    '12345678-1234-5678-90ab-cddeefaabbcc',
    '78563412-3412-7856-90ab-cddeefaabbcc',
    '58585858-5858-5858-5858-585858585858',
    '56F49712-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '00000000-0000-0000-0000-d89ef3000001',
    ' 4c4c4544-0000-2010-8020-80c04f202020 ',
    'Not Settable',
    '2',
    '',
  ]) {
    assert.equal(isIdentifyingUuid(uuid), false, uuid);
  }
  for (const uuid of ['4C4C4544-0058-4B10-8032-B7C04F4A354A', '564d9a1e-0001-0002-ffff-ffffffffffff']) {
    assert.equal(isIdentifyingUuid(uuid), true, uuid);
  }
});

test('the byte order of the first three fields of a UUID can be turned', () => {
  assert.deepEqual(bothByteOrders('00112233-4455-6677-8899-aabbccddeeff'), [
    '00112233-4455-6677-8899-aabbccddeeff',
    '33221100-5544-7766-8899-aabbccddeeff',
  ]);
});

test('texts that stand where a serial number should identify nothing', () => {
  for (const serial of [
    '',
    '  ',
    '0',
    '00000000',
    '0101',
    'xxxxxxx',
    '.......',
    '123456789',
    '0123456789',
    '12345678901234567',
    'To be filled by O.E.M.',
    'TO BE FILLED BY OEM',
    'Default  string',
    'System Serial Number',
    'Not Specified',
    'N/A',
    'QM00001',
  ]) {
    assert.equal(isIdentifyingSerial(serial), false, serial);
  }
  for (const serial of ['7XK2J5J', '1234ABCD', 'PF0123456', '1011A', 'S3Z8NB0K123456']) {
    assert.equal(isIdentifyingSerial(serial), true, serial);
  }
});

test('world wide names that makers have not set identify nothing', () => {
  for (const wwn of [
    'eui.0000000000000000',
    'eui.0100000000000000',
    '0xffffffffffffffff',
    't10.ATA QEMU HARDDISK QM00001',
    '',
  ]) {
    assert.equal(isIdentifyingWwn(wwn), false, wwn);
  }
  for (const wwn of ['naa.5000c50015ea71aa', '0x5002538e40a1b2c3', 'eui.6479a7fffec0ffee0025385b71b01234']) {
    assert.equal(isIdentifyingWwn(wwn), true, wwn);
  }
});

test('addresses that many cards have, or that nobody assigned to one card, identify nothing', () => {
  for (const mac of [
    '',
    '00:00:00:00:00:00',
    'ff:ff:ff:ff:ff:ff',
    '88:88:88:88:87:88',
    '00:E0:4C:53:44:58',
    '52:54:00:12:34:56',
    '00:50:56:c0:00:08',
    // Locally administered, and of a group.
    '02:1b:21:00:00:01',
    '01:00:5e:00:00:01',
    '80:00:02:08:fe:80:00:00',
  ]) {
    assert.equal(isIdentifyingMac(mac), false, mac);
  }
  for (const mac of ['d8:9e:f3:00:00:01', '52:54:00:4A:11:01', 'fa:16:3e:00:00:01', '00:16:3e:00:00:01']) {
    assert.equal(isIdentifyingMac(mac), true, mac);
  }
});
