import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import { type Event, EventLog } from '../events/event-log.ts';
import type { Database } from '../database/database.ts';
import { Registry, type RegistryOptions } from './registry.ts';
import { inventoryOf, type MadeUpComputer, office } from './testing/inventories.ts';

const ANNA = 'user anna';

interface Opened {
  readonly registry: Registry;
  readonly database: Database;
  readonly events: EventLog;
  /** What was told since the last call, without ids and times. */
  readonly told: () => readonly Pick<Event, 'kind' | 'severity' | 'message'>[];
  readonly see: (computer: MadeUpComputer, more?: object) => ReturnType<Registry['seen']>;
}

describeOnEachDatabase('the registry', (open) => {
  async function openRegistry(t: TestContext, options: RegistryOptions = {}): Promise<Opened> {
    const database = await open(t);
    const events = new EventLog(database);
    const registry = await Registry.open(database, events, options);
    const heard: Event[] = [];
    events.listen((event) => heard.push(event));
    return {
      registry,
      database,
      events,
      told: () => heard.splice(0).map(({ kind, severity, message }) => ({ kind, severity, message })),
      see: (computer, more = {}) =>
        registry.seen({
          inventory: inventoryOf(computer),
          address: '192.0.2.7',
          enrolment: 'lab',
          via: 'control',
          ...more,
        }),
    };
  }

  test('a computer that nobody knows is unregistered and an administrator is told', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const { computer, outcome } = await see(office(1));
    assert.equal(outcome, 'new');
    assert.equal(computer.name, 'SVC000001');
    assert.equal(computer.state, 'unregistered');
    assert.equal(computer.manufacturer, 'Dell Inc.');
    assert.equal(computer.registeredAt, undefined);
    assert.deepEqual(told(), [
      {
        kind: 'computer.unknown',
        severity: 'alert',
        message: 'The unknown computer SVC000001 is on standby from 192.0.2.7: register it, or forget it.',
      },
    ]);
    const details = await registry.get('svc000001');
    assert.equal(details.id, computer.id);
    assert.deepEqual(details.inventory, inventoryOf(office(1)));
    assert.deepEqual(details.traits.map(({ kind }) => kind).toSorted(), [
      'board-serial',
      'disk',
      'mac',
      'system-serial',
      'uuid',
    ]);
    assert.equal(details.hardware?.title, 'Dell Inc. OptiPlex 7060, UEFI');
    await assert.rejects(registry.get('nobody'), { code: 'COMPUTER_MISSING' });
  });

  test('a computer that shows itself again is the same, and nobody is told', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const first = await see(office(1));
    told();
    const again = await see(office(1), { address: '192.0.2.8' });
    assert.equal(again.outcome, 'same');
    assert.equal(again.computer.id, first.computer.id);
    assert.equal(again.computer.address, '192.0.2.8');
    assert.deepEqual(told(), []);
    assert.equal((await registry.list()).total, 1);
  });

  test('what has changed in a computer is told and in its history', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const { computer } = await see(office(1));
    told();
    const disks = [{ model: 'Other', serial: 'NEW1' }];
    const { outcome } = await see({ ...office(1), disks });
    assert.equal(outcome, 'same');
    const changes = 'The disk samsung ssd 860/s3z8nb0k000001 is gone. The disk other/new1 is new.';
    assert.deepEqual(told(), [
      {
        kind: 'computer.hardware-changed',
        severity: 'warning',
        message: `The hardware of SVC000001 has changed. ${changes}`,
      },
    ]);
    const [latest] = await registry.history(computer.id);
    assert.equal(latest?.message, changes);
    const devices = [{ bus: 'pci', id: '8086:1521', class: '0200' }];
    const with2 = await see({ ...office(1), disks, devices });
    assert.notEqual(with2.computer.hardwareId, computer.hardwareId);
    assert.match(
      told()[0]?.message ?? '',
      /The network card driver e1000e is gone\. The network card pci 8086:1521 is new\./,
    );
  });

  test('a card that is switched off is not forgotten', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const devices = [{ bus: 'pci', id: '8086:15bb', class: '0200' }];
    const { computer } = await see({ ...office(1), devices });
    told();
    await see({ ...office(1), devices, nics: [] });
    assert.ok((await registry.get(computer.id)).traits.some(({ kind }) => kind === 'mac'));
    assert.deepEqual(told(), []);
  });

  test('equal machines share one record of their hardware, and known virtual hardware is there before', async (t) => {
    const { registry, see } = await openRegistry(t);
    const known = await registry.hardware();
    assert.ok(known.some(({ knownId, computers }) => knownId === 'hyper-v-2' && computers === 0));
    const one = await see(office(1));
    const other = await see(office(2));
    assert.equal(one.computer.hardwareId, other.computer.hardwareId);
    const virtual = {
      manufacturer: 'QEMU',
      product: 'Standard PC (Q35 + ICH9, 2009)',
      nics: [{ mac: '52:54:00:aa:00:01' }],
    };
    const { computer } = await see(virtual);
    assert.equal((await registry.get(computer.id)).hardware?.knownId, 'qemu-q35');
    const records = await registry.hardware();
    assert.equal(records.length, known.length + 2);
    assert.equal(records.find(({ id }) => id === one.computer.hardwareId)?.computers, 2);
  });

  test('opening a registry again registers no known hardware twice', async (t) => {
    const { registry, database, events } = await openRegistry(t);
    const before = await registry.hardware();
    assert.deepEqual(await (await Registry.open(database, events)).hardware(), before);
  });

  test('a cloned virtual machine is kept apart with its question, and is the same when it comes again', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const original = { uuid: '6f1d2c3b-4a59-4e68-9f70-8192a3b4c5d6', nics: [{ mac: '52:54:00:aa:00:01' }] };
    const clone = { ...original, nics: [{ mac: '52:54:00:aa:00:02' }] };
    const first = await see(original);
    await registry.register(first.computer.id, { name: 'web' }, ANNA);
    told();
    const second = await see(clone);
    assert.equal(second.outcome, 'doubtful');
    assert.equal(second.computer.state, 'unregistered');
    const [doubt] = second.computer.doubts;
    assert.equal(doubt?.candidateId, first.computer.id);
    assert.equal(doubt?.candidateName, 'web');
    assert.equal(doubt?.reasons.length, 2);
    assert.deepEqual(
      told().map(({ kind, severity }) => [kind, severity]),
      [['computer.doubtful', 'alert']],
    );
    for (let round = 0; round < 2; round++) {
      assert.equal((await see(clone)).computer.id, second.computer.id);
      assert.equal((await see(original)).computer.id, first.computer.id);
    }
    assert.deepEqual(told(), []);
    assert.deepEqual(
      (await registry.list({ doubtful: true })).computers.map(({ id }) => id),
      [second.computer.id],
    );
    await assert.rejects(registry.register(second.computer.id, { name: 'web2' }, ANNA), {
      code: 'COMPUTER_DOUBTFUL',
      message: /may be web: first merge them, or split them/,
    });
  });

  test('two that were split stay two and can be registered', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const uuid = '6f1d2c3b-4a59-4e68-9f70-8192a3b4c5d6';
    const first = await see({ uuid, nics: [{ mac: '52:54:00:aa:00:01' }] });
    const second = await see({ uuid, nics: [{ mac: '52:54:00:aa:00:02' }] });
    await registry.split(second.computer.id, first.computer.id, ANNA);
    assert.deepEqual((await registry.get(second.computer.id)).doubts, []);
    assert.equal((await registry.history(first.computer.id))[0]?.kind, 'split');
    assert.equal((await registry.register(second.computer.id, { name: 'web2' }, ANNA)).state, 'dormant');
    told();
    // Swapping the card would be doubtful if the other one were in question.
    const changed = await see({ uuid, nics: [{ mac: '52:54:00:aa:00:02' }, { mac: '52:54:00:aa:00:03' }] });
    assert.equal(changed.computer.id, second.computer.id);
    await assert.rejects(registry.split(first.computer.id, first.computer.id, ANNA), {
      code: 'COMPUTER_SAME',
    });
  });

  test('two that were merged are one, with all that belonged to either', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const old = await see(office(1));
    await registry.register(old.computer.id, { name: 'anna-pc', notes: 'by the window' }, ANNA);
    await registry.setTags(old.computer.id, ['Floor 2']);
    // The board was replaced; the service has written the serial number into it.
    const { serial, disks } = office(1);
    const repaired: MadeUpComputer = { ...office(7), serial: serial!, disks: disks! };
    const replaced = await see(repaired);
    assert.equal(replaced.outcome, 'doubtful');
    await registry.createGroup('Repaired');
    await registry.addToGroup('repaired', [replaced.computer.id]);
    const third = await see({ uuid: office(7).uuid!, nics: [{ mac: 'd8:9e:f3:ff:00:01' }] });
    assert.equal(third.computer.doubts.length, 1);
    told();
    const merged = await registry.merge(old.computer.id, replaced.computer.id, ANNA);
    assert.deepEqual(
      told().map(({ kind }) => kind),
      ['computer.merged'],
    );
    assert.equal(merged.name, 'anna-pc');
    assert.equal(merged.state, 'dormant');
    assert.deepEqual(merged.tags, ['floor 2']);
    assert.deepEqual(merged.groups, ['Repaired']);
    assert.deepEqual(merged.doubts, []);
    const details = await registry.get(replaced.computer.id);
    assert.equal(details.id, old.computer.id, 'the old id leads to it');
    assert.deepEqual(
      details.aliases.map(({ name }) => name),
      [replaced.computer.name],
    );
    assert.deepEqual(details.inventory, inventoryOf(repaired));
    assert.equal((await registry.history(merged.id)).filter(({ kind }) => kind === 'seen').length, 2);
    const doubts = (await registry.get(third.computer.id)).doubts;
    assert.deepEqual(
      doubts.map(({ candidateId }) => candidateId),
      [merged.id],
      'a question about the other is about the one',
    );
    assert.equal((await see(repaired)).computer.id, merged.id);
    assert.equal((await registry.list()).total, 2);
  });

  test('what is in use is neither forgotten nor merged away', async (t) => {
    let held = '';
    const { registry, see } = await openRegistry(t, {
      inUse: async (id) => (id === held ? 'job 7 captures it; cancel that job first' : undefined),
    });
    const [one, other] = [(await see(office(1))).computer, (await see(office(2))).computer];
    held = other.id;
    await assert.rejects(registry.forget(other.id, ANNA), {
      code: 'COMPUTER_IN_USE',
      message: 'SVC000002 cannot be forgotten now: job 7 captures it; cancel that job first',
    });
    await assert.rejects(registry.merge(one.id, other.id, ANNA), { code: 'COMPUTER_IN_USE' });
    await registry.register(other.id, { name: 'lab-2' }, ANNA);
    await assert.rejects(registry.merge(one.id, other.id, ANNA), {
      code: 'COMPUTER_REGISTERED',
      message: /merge SVC000001 into lab-2 instead/,
    });
    held = '';
    await registry.forget(other.id, ANNA);
    await assert.rejects(registry.get(other.id), { code: 'COMPUTER_MISSING' });
    assert.equal((await see(office(2))).outcome, 'new');
  });

  test('names are unique whatever their case, and safe', async (t) => {
    const { registry, see } = await openRegistry(t);
    const [one, other] = [(await see(office(1))).computer, (await see(office(2))).computer];
    await registry.register(one.id, { name: 'Lab-1' }, ANNA);
    await assert.rejects(registry.register(other.id, { name: 'LAB-1' }, ANNA), {
      code: 'COMPUTER_NAME_TAKEN',
      message: /another computer is called Lab-1/,
    });
    assert.equal((await registry.get(other.id)).state, 'unregistered', 'nothing was changed');
    for (const name of ['', 'a b', '../x', '-x', 'x'.repeat(41)]) {
      await assert.rejects(registry.register(other.id, { name }, ANNA), { code: 'USAGE' }, name);
    }
    assert.equal((await registry.update(one.id, { name: 'lab-1' }, ANNA)).name, 'lab-1');
    await assert.rejects(registry.register(one.id, {}, ANNA), { code: 'STATE_NOT_ALLOWED' });
    const twin = await see({ ...office(3), serial: 'lab-1', manufacturer: 'Other' });
    assert.equal(twin.computer.name, 'lab-1-2');
  });

  test('a change of state is in the history with who and why, and what is not allowed changes nothing', async (t) => {
    const { registry, see, database, told } = await openRegistry(t);
    const { id } = (await see(office(1))).computer;
    await registry.register(id, { name: 'pc1' }, ANNA);
    told();
    assert.equal(
      await registry.changeState(id, { cause: 'called', actor: 'job 7', message: 'It is captured.' }),
      'transitioning',
    );
    assert.equal(await registry.changeState('PC1', { cause: 'released', actor: 'job 7' }), 'deployed');
    assert.deepEqual(
      told().map(({ kind, message }) => [kind, message]),
      [
        ['computer.state', 'The computer pc1 is transitioning now, and was dormant before.'],
        ['computer.state', 'The computer pc1 is deployed now, and was transitioning before.'],
      ],
    );
    const states = (await registry.history(id)).filter(({ kind }) => kind === 'state');
    assert.deepEqual(
      states.map(({ actor, message, change }) => [actor, message, change?.cause]),
      [
        ['job 7', 'From transitioning to deployed.', 'released'],
        ['job 7', 'From dormant to transitioning. It is captured.', 'called'],
        [ANNA, 'From unregistered to dormant.', 'registered'],
      ],
    );
    await assert.rejects(registry.changeState(id, { cause: 'registered', actor: ANNA }), {
      code: 'STATE_NOT_ALLOWED',
    });
    const failed = database.transaction().execute(async (transaction) => {
      await registry.changeState(id, { cause: 'called', actor: 'job 8' }, transaction);
      throw new Error('the job could not be written');
    });
    await assert.rejects(failed, /could not be written/);
    assert.equal((await registry.get(id)).state, 'deployed');
    assert.equal((await registry.history(id)).length, 1 + 1 + 3);
  });

  test('of many that call one computer at the same moment, one gets it', async (t) => {
    const { registry, see } = await openRegistry(t);
    const { id } = (await see(office(1))).computer;
    await registry.register(id, { name: 'pc1' }, ANNA);
    const calls = Array.from({ length: 8 }, (_, n) =>
      registry.changeState(id, { cause: 'called', actor: `job ${n}` }),
    );
    const results = await Promise.allSettled(calls);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal((await registry.history(id)).filter(({ change }) => change?.cause === 'called').length, 1);
  });

  test('a computer that shows itself many times at the same moment is one', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const seen = await Promise.all(Array.from({ length: 12 }, () => see(office(1))));
    assert.equal(new Set(seen.map(({ computer }) => computer.id)).size, 1);
    assert.equal(seen.filter(({ outcome }) => outcome === 'new').length, 1);
    assert.equal((await registry.list()).total, 1);
    assert.equal(told().length, 1);
  });

  test('a computer without any trait is known by its key until its next start, and that is said', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const nothing = { nics: [{ mac: '88:88:88:88:87:88' }] };
    const first = await see(nothing, { key: 'AB12' });
    assert.match(told()[0]?.message ?? '', /will be taken for another one at its next start/);
    assert.equal((await see(nothing, { key: 'ab12' })).computer.id, first.computer.id);
    assert.equal((await see(nothing, { key: 'cd34' })).outcome, 'new');
    assert.equal((await registry.list()).total, 2);
  });

  test('what a hostile client says of itself is kept as far as it can be', async (t) => {
    const { registry, see } = await openRegistry(t);
    const hostile: MadeUpComputer = {
      manufacturer: 'Dell\u0000\u001b[2J',
      product: '\ud800x',
      serial: 'S'.repeat(100_000) + 'T',
      nics: Array.from({ length: 2000 }, (_, n) => ({ mac: `d8:9e:f3:01:${hex(n >> 8)}:${hex(n & 255)}` })),
      disks: [{ serial: '../../\u0000etc', model: 'M'.repeat(5000) }],
    };
    const { computer } = await see(hostile);
    assert.equal(computer.manufacturer, 'Dell[2J');
    assert.equal(computer.product, 'x');
    assert.equal((await see(hostile)).computer.id, computer.id);
    assert.equal((await registry.list({ text: 'etc' })).total, 1);
  });

  test('lists are paged by name, and found by state, tag, group, hardware and words', async (t) => {
    const { registry, see } = await openRegistry(t);
    for (let n = 1; n <= 5; n++) {
      const { computer } = await see(office(n));
      if (n <= 3)
        await registry.register(computer.id, { name: `Lab-${n}`, notes: n === 2 ? '100%_new' : '' }, ANNA);
    }
    await registry.setTags('lab-1', ['Red', 'red', 'left']);
    await registry.createGroup('Room 12');
    await registry.addToGroup('room 12', ['lab-1', 'LAB-3']);
    await registry.addToGroup('room 12', ['lab-1']);
    const names = async (wishes: Parameters<Registry['list']>[0]): Promise<readonly string[]> =>
      (await registry.list(wishes)).computers.map(({ name }) => name);
    const first = await registry.list({ limit: 2 });
    assert.deepEqual([first.total, first.next, first.computers.length], [5, 'Lab-2', 2]);
    assert.deepEqual(await names({ limit: 2, after: first.next }), ['Lab-3', 'SVC000004']);
    const last = await registry.list({ limit: 2, after: 'SVC000004' });
    assert.deepEqual([last.computers.map(({ name }) => name), last.next], [['SVC000005'], undefined]);
    assert.deepEqual(await names({ state: 'dormant' }), ['Lab-1', 'Lab-2', 'Lab-3']);
    assert.deepEqual(await names({ tag: 'RED' }), ['Lab-1']);
    assert.deepEqual(await names({ group: 'ROOM 12' }), ['Lab-1', 'Lab-3']);
    assert.deepEqual(await names({ group: 'Room 12', state: 'deployed' }), []);
    assert.deepEqual(await names({ text: 'd8:9E:f3:00:00:04' }), ['SVC000004']);
    assert.deepEqual(await names({ text: 'LAB optiplex' }), ['Lab-1', 'Lab-2', 'Lab-3']);
    assert.deepEqual(await names({ text: '100%_' }), ['Lab-2']);
    assert.deepEqual(await names({ text: '%' }), ['Lab-2']);
    assert.deepEqual(await names({ text: 'left' }), ['Lab-1']);
    assert.deepEqual(
      await names({ text: '4c4c4544-0058-4b10-8032-b7c04f000002' }),
      ['Lab-2'],
      'as dmidecode prints it',
    );
    const { hardwareId } = await registry.get('lab-1');
    assert.equal((await registry.list({ hardwareId })).total, 5);
  });

  test('groups hold computers, which stay when the group goes', async (t) => {
    const { registry, see } = await openRegistry(t);
    const { id } = (await see(office(1))).computer;
    const group = await registry.createGroup('Room 12');
    await assert.rejects(registry.createGroup('ROOM 12'), { code: 'GROUP_EXISTS' });
    await assert.rejects(registry.addToGroup('Room 13', [id]), { code: 'GROUP_MISSING' });
    await registry.addToGroup(group.id, [id]);
    assert.deepEqual(await registry.groups(), [{ ...group, members: 1 }]);
    assert.deepEqual(await registry.groupMembers('room 12'), [id]);
    await registry.removeFromGroup('room 12', [id]);
    assert.deepEqual(await registry.groupMembers('room 12'), []);
    await registry.addToGroup('room 12', [id]);
    await registry.deleteGroup('room 12');
    assert.deepEqual(await registry.groups(), []);
    assert.deepEqual((await registry.get(id)).groups, []);
  });

  test('rules register computers in their order, and only when they are on', async (t) => {
    const { registry, see, told } = await openRegistry(t);
    const product = { product: 'OptiPlex*' };
    const off = await registry.addRule({
      name: 'off',
      conditions: product,
      namePattern: 'no-{number}',
      enabled: false,
    });
    const lab = await registry.addRule({
      name: 'lab',
      conditions: product,
      namePattern: 'lab-{number:2}',
      group: 'Lab',
    });
    const first = await registry.addRule({
      name: 'other net',
      conditions: { ...product, subnet: '198.51.100.0/24' },
      namePattern: 'net-{serial}',
      position: 1,
    });
    assert.deepEqual(
      (await registry.rules()).map(({ name, position }) => [name, position]),
      [
        ['other net', 1],
        ['off', 2],
        ['lab', 3],
      ],
    );
    const one = (await see(office(1))).computer;
    assert.deepEqual(
      [one.name, one.state, one.registeredBy, one.groups],
      ['lab-01', 'dormant', 'rule lab', ['Lab']],
    );
    assert.deepEqual(
      told().map(({ kind }) => kind),
      ['computer.state'],
      'no alert',
    );
    assert.equal((await see(office(2))).computer.name, 'lab-02');
    assert.equal((await see(office(3), { address: '198.51.100.9' })).computer.name, 'net-SVC000003');
    assert.equal((await see({ product: 'Other', uuid: office(9).uuid! })).computer.state, 'unregistered');
    await registry.updateRule(lab.id, { enabled: false });
    assert.equal((await see(office(4))).computer.state, 'unregistered');
    await registry.updateRule(off.id, { enabled: true, namePattern: 'late-{number}', position: 1 });
    assert.equal(await registry.applyRules(), 1);
    assert.equal((await registry.list({ text: 'late-1' })).total, 1);
    await registry.deleteRule(first.id);
    assert.deepEqual(
      (await registry.rules()).map(({ name, position, enabled }) => [name, position, enabled]),
      [
        ['off', 1, true],
        ['lab', 2, false],
      ],
    );
    await assert.rejects(registry.deleteRule(first.id), { code: 'RULE_MISSING' });
    await assert.rejects(registry.addRule({ name: 'x', conditions: {}, namePattern: 'x' }), {
      code: 'USAGE',
    });
  });

  test('a rule registers no computer of which nobody knows whether it is new', async (t) => {
    const { registry, see } = await openRegistry(t);
    const { uuid } = office(1);
    await see(office(1));
    await registry.addRule({ name: 'all', conditions: { product: '*' }, namePattern: 'pc-{number}' });
    const { computer, outcome } = await see({ ...office(2), uuid: uuid! });
    assert.equal(outcome, 'doubtful');
    assert.equal(computer.state, 'unregistered');
    assert.equal(await registry.applyRules(), 1, 'the other one');
  });
});

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
