import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSession } from '@diskferry/system/session';
import { openDatabase } from '../database/database.ts';
import { EventLog } from '../events/event-log.ts';
import { Registry } from '../registry/registry.ts';
import { inventoryOf, office } from '../registry/testing/inventories.ts';
import { openNamespace } from './testing/net-namespace.ts';
import { fetchThere, makePxeFolders, startPxe } from './testing/pxe-process.ts';
import { openWire } from './testing/test-wire.ts';

const OURS = '10.77.0.3';

test('the states of the registered computers decide what they start from the network, from one moment to the next', async (t) => {
  await using session = openSession('pxe-registry-test');
  using folders = makePxeFolders();
  const wire = await openWire(session, 'the wire');
  const [server, machine] = [await openNamespace(session, 'server'), await openNamespace(session, 'machine')];
  await wire.plug(server, 'eth0', `${OURS}/24`);
  await wire.plug(machine, 'eth0', '10.77.0.51/24');
  mkdirSync(folders.state, { recursive: true });
  const settings = join(folders.state, 'server.toml');
  writeFileSync(settings, 'database = "sqlite:server.sqlite"\n');
  const database = await openDatabase(`sqlite:${join(folders.state, 'server.sqlite')}`);
  t.after(() => database.destroy());
  const registry = await Registry.open(database, new EventLog(database));
  const computer = office(1);
  const { id } = (await registry.seen({ inventory: inventoryOf(computer), via: 'control' })).computer;

  const words = ['--interface', 'eth0', '--registry', '--settings', settings];
  const pxe = await startPxe(session, folders, server, words);
  const startsOf = async (mac: string): Promise<'media' | 'own disk'> => {
    const path = `/machine?mac=${mac.replaceAll(':', '-')}&platform=pcbios`;
    const { body } = await fetchThere(machine, `http://${OURS}:7480${path}`);
    return /^kernel /m.test(body.toString()) ? 'media' : 'own disk';
  };
  const mac = computer.nics?.[0]?.mac ?? '';
  const starts: string[] = [];
  const note = async (): Promise<number> => starts.push(await startsOf(mac));
  await note();
  await registry.register(id, {}, 'user anna');
  await note();
  for (const cause of ['adopted', 'called', 'released', 'set-aside'] as const) {
    await registry.changeState(id, { cause, actor: 'user anna' });
    await note();
  }
  // Unregistered, dormant, deployed, transitioning, deployed, dormant.
  assert.deepEqual(starts, ['media', 'media', 'own disk', 'media', 'own disk', 'media']);
  assert.equal(await startsOf('52:54:00:aa:bb:cc'), 'media', 'a machine that nobody knows');
  pxe.process.signalGroup('SIGINT');
  assert.equal((await pxe.process.ended).exitCode, 0);
});
