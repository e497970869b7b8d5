import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { MachineFacts } from './boot-decision.ts';
import { BootRules } from './boot-rules.ts';
import { requireMachineKey } from './machine-key.ts';
import { policyOf } from './rules-policy.ts';

const folder = mkdtempSync(join(tmpdir(), 'diskferry-rules-test-'));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const newRules = (): BootRules => new BootRules(join(folder, `${files++}`, 'machines.json'));

const MAC = '52:54:00:00:00:01';
const UUID = '11223344-5566-7788-99aa-bbccddeeff00';
const machine: MachineFacts = {
  mac: MAC,
  uuid: UUID,
  firmware: 'bios',
  address: '10.0.0.1',
  manufacturer: '',
  product: '',
  serial: '',
};
const set = async (rules: BootRules, name: string, decision: 'boot' | 'local' | 'ignore', once = false) =>
  rules.set(requireMachineKey(name), { decision, ...(once ? { once } : {}) });

test('a rule is kept, changed and taken away', async () => {
  const rules = newRules();
  assert.deepEqual([...rules.read()], []);
  assert.equal(await set(rules, '52-54-00-00-00-01', 'boot', true), undefined);
  assert.deepEqual([...new BootRules(rules.path).read()], [[MAC, { decision: 'boot', once: true }]]);
  assert.deepEqual(await set(rules, MAC, 'local'), { decision: 'boot', once: true });
  assert.deepEqual(await rules.set(requireMachineKey(MAC), undefined), { decision: 'local' });
  assert.deepEqual([...rules.read()], []);
});

test('no rule is lost when many are made at once', async () => {
  const rules = newRules();
  const macs = Array.from({ length: 30 }, (_, index) => `52:54:00:00:01:${String(index + 10)}`);
  await Promise.all(macs.map((mac) => set(new BootRules(rules.path), mac, 'boot')));
  assert.deepEqual([...rules.read().keys()], macs);
});

test('a lock of an editor that was killed is broken', async () => {
  const rules = newRules();
  await set(rules, MAC, 'boot');
  writeFileSync(`${rules.path}.new`, '');
  utimesSync(`${rules.path}.new`, new Date(0), new Date(0));
  await set(rules, UUID, 'boot');
  assert.equal(rules.read().size, 2);
});

test('a file that cannot be understood is said, and stays', async () => {
  for (const [text, complaint] of [
    ['{', /JSON/],
    ['{ "format": 2 }', /format is 2/],
    ['{ "format": 1, "machines": { "lab-7": { "decision": "boot" } } }', /"lab-7" is neither/],
    [`{ "format": 1, "machines": { "${MAC}": { "decision": "dance" } } }`, /has none of boot, local/],
  ] as const) {
    const rules = newRules();
    await set(rules, MAC, 'boot');
    writeFileSync(rules.path, text);
    assert.throws(() => rules.read(), { code: 'RULES_DAMAGED', message: complaint });
    await assert.rejects(set(rules, UUID, 'boot'), { code: 'RULES_DAMAGED' });
    assert.equal(readFileSync(rules.path, 'utf8'), text);
  }
});

test('a MAC address counts more than a UUID, and that more than nothing', async () => {
  const rules = newRules();
  const policy = policyOf(rules, 'refuse');
  assert.deepEqual(await policy.decide(machine), { decision: 'refuse', by: 'unknown' });
  await set(rules, UUID, 'local');
  assert.deepEqual(await policy.decide(machine), { decision: 'local', by: 'uuid' });
  await set(rules, MAC, 'boot');
  assert.deepEqual(await policy.decide(machine), { decision: 'boot', by: 'mac' });
  assert.deepEqual(await policy.decide({ ...machine, mac: '52:54:00:00:00:02', uuid: undefined }), {
    decision: 'refuse',
    by: 'unknown',
  });
});

test('what is for once is over when the machine has booted, whichever name has the rule', async () => {
  for (const name of [MAC, UUID]) {
    const rules = newRules();
    const policy = policyOf(rules, 'ignore');
    await set(rules, name, 'boot', true);
    assert.equal((await policy.decide(machine)).decision, 'boot');
    await policy.booted(machine);
    assert.equal((await policy.decide(machine)).decision, 'local');
  }
  const rules = newRules();
  await set(rules, MAC, 'boot');
  await policyOf(rules, 'ignore').booted(machine);
  assert.deepEqual([...rules.read()], [[MAC, { decision: 'boot' }]]);
});

test('the gate is open for whom some answer waits', async () => {
  const rules = newRules();
  await set(rules, MAC, 'ignore');
  await set(rules, UUID, 'local');
  const gate = await policyOf(rules, 'ignore').gate();
  assert.equal(gate.unknown, false);
  assert.deepEqual([...gate.macs], [[MAC, false]]);
  assert.deepEqual([...gate.uuids], [[UUID, true]]);
  assert.equal((await policyOf(rules, 'refuse').gate()).unknown, true);
});

test('a change by another process is told, until nobody listens any more', async () => {
  const rules = newRules();
  await set(rules, MAC, 'boot');
  await new Promise<void>((resolve, reject) => {
    const stop = rules.onChange(() => {
      stop();
      resolve();
    });
    set(new BootRules(rules.path), MAC, 'local').catch(reject);
  });
});
