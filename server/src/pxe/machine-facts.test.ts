import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMachineFacts } from './machine-facts.ts';

test('what a machine says of itself cannot steer a terminal or fill the log', () => {
  const question = new URLSearchParams({
    mac: '52-54-00-AB-CD-EF',
    uuid: '00000000-0000-0000-0000-000000000000',
    platform: 'efi',
    product: 'Model\u001b[2J\n7',
    serial: 'x'.repeat(1_000),
  });
  const facts = readMachineFacts(question, '10.0.0.1');
  assert.deepEqual(facts, {
    mac: '52:54:00:ab:cd:ef',
    uuid: undefined,
    firmware: 'uefi',
    address: '10.0.0.1',
    manufacturer: '',
    product: 'Model[2J7',
    serial: 'x'.repeat(64),
  });
  assert.equal(readMachineFacts(new URLSearchParams('uuid=x'), '10.0.0.1'), undefined);
});
