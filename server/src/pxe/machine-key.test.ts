import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineKeyOf, requireMachineKey, uuidOnTheWire } from './machine-key.ts';

test('a MAC address is the same with colons, dashes or nothing, in capitals or not', () => {
  for (const text of ['52:54:00:AB:cd:01', '52-54-00-ab-cd-01', '525400ABCD01', ' 52:54:00:ab:cd:01\n']) {
    assert.deepEqual(machineKeyOf(text), { kind: 'mac', text: '52:54:00:ab:cd:01' }, text);
  }
});

test('a UUID is the same in capitals or not', () => {
  const text = '11223344-5566-7788-99AA-BBCCDDEEFF00';
  assert.deepEqual(machineKeyOf(text), { kind: 'uuid', text: text.toLowerCase() });
});

test('what is neither is no machine', () => {
  for (const text of [
    '',
    '52:54:00:ab:cd',
    '52:54:00:ab:cd:01:02',
    '52:54-00:ab:cd:01',
    'lab-7',
    '${uuid}',
  ]) {
    assert.equal(machineKeyOf(text), undefined, text);
    assert.throws(() => requireMachineKey(text), { code: 'USAGE', message: /neither a MAC address/ });
  }
});

test('a UUID that the maker never set names no machine', () => {
  for (const text of [
    '00000000-0000-0000-0000-000000000000',
    '03000200-0400-0500-0006-000700080009',
    '00020003-0004-0005-0006-000700080009',
    '12345678-1234-5678-90AB-CDDEEFAABBCC',
  ]) {
    assert.equal(machineKeyOf(text), undefined);
    assert.throws(() => requireMachineKey(text), { code: 'USAGE', message: /is on many machines/ });
  }
});

test('a UUID on the wire is in the order of SMBIOS or in that of its text', () => {
  assert.deepEqual(uuidOnTheWire('11223344-5566-7788-99aa-bbccddeeff00'), [
    '44:33:22:11:66:55:88:77:99:aa:bb:cc:dd:ee:ff:00',
    '11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00',
  ]);
  assert.equal(uuidOnTheWire('11111111-2222-3333-4444-555555555555').length, 1);
});
