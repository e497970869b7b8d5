import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineFacts } from './boot-decision.ts';
import { BootPasses } from './boot-passes.ts';

const machineAt = (address: string): MachineFacts => ({
  mac: '52:54:00:00:00:01',
  uuid: undefined,
  firmware: 'bios',
  address,
  manufacturer: '',
  product: '',
  serial: '',
});

test('a pass is good for its machine, at its address, for a while', () => {
  const passes = new BootPasses();
  const machine = machineAt('10.0.0.1');
  const pass = passes.issue(machine, 0);
  assert.equal(passes.check(pass, '10.0.0.1', 60_000), machine);
  assert.equal(passes.check(pass, '10.0.0.2', 60_000), undefined);
  assert.equal(passes.check(`${pass}x`, '10.0.0.1', 60_000), undefined);
  assert.equal(passes.check(pass, '10.0.0.1', 24 * 3_600_000), undefined);
});

test('passes do not fill the memory: the oldest give way', () => {
  const passes = new BootPasses();
  const first = passes.issue(machineAt('10.0.0.1'));
  for (let count = 0; count < 5_000; count++) passes.issue(machineAt('10.0.0.2'));
  assert.equal(passes.check(first, '10.0.0.1'), undefined);
  assert.notEqual(passes.check(passes.issue(machineAt('10.0.0.1')), '10.0.0.1'), undefined);
});
