import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseModuleAliases } from './module-lists.ts';

const claims = parseModuleAliases(`# Aliases extracted from modules themselves.
alias pci:v00001022d00002000sv*sd*bc*sc*i* pcnet32
alias pci:v*d*sv*sd*bc01sc06i01* ahci
alias pci:v00001022d00002000sv*sd*bc02sc00i* amd8111e
alias usb:v1022p2000d*dc*dsc*dp*ic*isc*ip*in* other
`);

test('modules are found by the patterns that fit', () => {
  assert.deepEqual(claims('pci:v00001022d00002000sv00001AF4sd00001100bc02sc00i00'), ['pcnet32', 'amd8111e']);
  assert.deepEqual(claims('pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01'), ['ahci']);
  assert.deepEqual(claims('pci:v00001B36d00000006sv00001AF4sd00001100bc02sc80i00'), []);
});
