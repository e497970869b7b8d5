import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import { EventLog } from '../events/event-log.ts';
import type { MachineFacts } from '../pxe/boot-decision.ts';
import { RegistryBootPolicy, type RegistryBootPolicyOptions } from './boot-policy.ts';
import { Registry } from './registry.ts';
import { inventoryOf, type MadeUpComputer, office } from './testing/inventories.ts';

const ANNA = 'user anna';
const DOCK = '00:50:b6:01:02:03';

/** What the firmware of an office computer says. */
function facts(n: number, change: Partial<MachineFacts> = {}): MachineFacts {
  const { uuid, serial = '', manufacturer = '', product = '', nics } = office(n);
  const mac = nics?.[0]?.mac ?? '';
  return { mac, uuid, serial, manufacturer, product, firmware: 'uefi', address: '192.0.2.7', ...change };
}

describeOnEachDatabase('the boot policy of the registry', (open) => {
  async function opened(t: TestContext): Promise<Registry> {
    const database = await open(t);
    return Registry.open(database, new EventLog(database));
  }

  async function see(registry: Registry, computer: MadeUpComputer): Promise<string> {
    return (await registry.seen({ inventory: inventoryOf(computer), via: 'control' })).computer.id;
  }

  const policy = (registry: Registry, options: Partial<RegistryBootPolicyOptions> = {}): RegistryBootPolicy =>
    new RegistryBootPolicy(registry, { unknown: 'refuse', ...options });

  test('each state has its decision, and the unknown theirs', async (t) => {
    const registry = await opened(t);
    const boots = policy(registry);
    assert.deepEqual(await boots.decide(facts(1)), { decision: 'refuse', by: 'unknown' });
    const id = await see(registry, office(1));
    const decide = async (): Promise<string> => (await boots.decide(facts(1))).decision;
    assert.equal(await decide(), 'boot');
    await registry.register(id, { name: 'pc1' }, ANNA);
    assert.equal(await decide(), 'boot');
    await registry.changeState(id, { cause: 'adopted', actor: ANNA });
    assert.equal(await decide(), 'local');
    await registry.changeState(id, { cause: 'called', actor: ANNA });
    assert.equal(await decide(), 'boot');
    await registry.changeState(id, { cause: 'released', actor: ANNA });
    assert.equal(await decide(), 'local');
    assert.deepEqual(await boots.decide(facts(2)), { decision: 'refuse', by: 'unknown' });
  });

  test('a machine is known by its UUID, in either byte order and at a dock, and by its card alone', async (t) => {
    const registry = await opened(t);
    await see(registry, office(1));
    const boots = policy(registry);
    const turned = '44454c4c-5800-104b-8032-b7c04f000001';
    assert.equal((await boots.decide(facts(1, { mac: DOCK }))).by, 'uuid');
    assert.equal((await boots.decide(facts(1, { mac: DOCK, uuid: turned, serial: '' }))).by, 'uuid');
    assert.equal((await boots.decide(facts(1, { uuid: undefined, serial: '' }))).by, 'mac');
    assert.equal((await boots.decide(facts(3, { mac: DOCK }))).by, 'unknown');
  });

  test('a machine that may be one of two gets what unknown ones get', async (t) => {
    const registry = await opened(t);
    const { uuid } = office(1);
    await see(registry, { uuid: uuid!, nics: [{ mac: '52:54:00:aa:00:01' }] });
    await see(registry, { uuid: uuid!, nics: [{ mac: '52:54:00:aa:00:02' }] });
    const boots = policy(registry);
    assert.equal((await boots.decide(facts(1, { mac: DOCK, serial: '' }))).by, 'unknown');
    assert.equal((await boots.decide(facts(1, { mac: '52:54:00:aa:00:02', serial: '' }))).by, 'uuid');
  });

  test('nobody is named at the gate where everybody is answered', async (t) => {
    const registry = await opened(t);
    await see(registry, office(1));
    const boots = policy(registry, { unknown: 'local' });
    assert.deepEqual(await boots.gate(), {
      unknown: true,
      macs: new Map(),
      uuids: new Map(),
      signed: new Set(),
      local: new Set(['unknown']),
    });
    boots.onChange(() => assert.fail('the gate never changes'))();
  });

  test('all computers are named at the gate where the unknown are not answered', async (t) => {
    const registry = await opened(t);
    const boots = policy(registry, { unknown: 'ignore' });
    let changes = 0;
    const leave = boots.onChange(() => changes++);
    const id = await see(registry, office(1));
    assert.equal(changes, 1);
    leave();
    await registry.register(id, { name: 'pc1' }, ANNA);
    assert.equal(changes, 1);
    const mac = facts(1).mac;
    const uuid = '44454c4c-5800-104b-8032-b7c04f000001';
    const gate = await boots.gate();
    assert.equal(gate.unknown, false);
    assert.deepEqual([...gate.macs], [[mac, true]]);
    assert.deepEqual([...gate.uuids], [[uuid, true]]);
    assert.deepEqual([...gate.local], []);
  });

  test('with Secure Boot, those that start from their own disk are named', async (t) => {
    const registry = await opened(t);
    await see(registry, office(2));
    const id = await see(registry, office(1));
    await registry.register(id, { name: 'pc1' }, ANNA);
    await registry.changeState(id, { cause: 'adopted', actor: ANNA });
    const gate = await policy(registry, { secureBoot: true }).gate();
    const mac = facts(1).mac;
    assert.equal(gate.signed, 'all');
    assert.deepEqual([...gate.macs.keys()], [mac]);
    assert.ok(gate.local.has(mac));
    assert.equal(gate.local.size, 2);
  });
});
