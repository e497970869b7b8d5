import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { join } from 'node:path';
import { writeFileSync, mkdirSync } from 'node:fs';
import { openSession, type Session } from '@diskferry/system/session';
import { openDatabase } from '../database/database.ts';
import { EventLog } from '../events/event-log.ts';
import { Registry } from '../registry/registry.ts';
import { inventoryOf, office } from '../registry/testing/inventories.ts';
import { enrolmentsOf } from '../serve/serve.ts';
import { type ServeProcess, startServeProcess } from '../serve/testing/serve-process.ts';
import { leftovers } from '../testing/leftovers.ts';
import { type NetNamespace, openNamespace } from './testing/net-namespace.ts';
import { eventually, fetchThere, makePxeFolders, type PxeFolders } from './testing/pxe-process.ts';
import { openWire, type TestWire } from './testing/test-wire.ts';

const OURS = '10.77.0.3';

interface Place {
  readonly wire: TestWire;
  readonly network: NetNamespace;
  readonly machine: NetNamespace;
  readonly settings: string;
}

async function openPlace(session: Session, folders: PxeFolders): Promise<Place> {
  const wire = await openWire(session, 'the wire');
  const [network, machine] = [
    await openNamespace(session, 'server'),
    await openNamespace(session, 'machine'),
  ];
  await wire.plug(machine, 'eth0', '10.77.0.51/24');
  mkdirSync(folders.state, { recursive: true });
  const settings = join(folders.state, 'server.toml');
  writeFileSync(settings, `[pxe]\nfiles = "${folders.files}"\n`);
  return { wire, network, machine, settings };
}

async function startServer(
  t: TestContext,
  folders: PxeFolders,
  { network, settings }: Place,
): Promise<ServeProcess> {
  const place = { stateFolder: folders.state, runFolder: folders.run, before: network.enter };
  const words = ['--settings', settings, '--port', '0', '--pxe', 'eth0'];
  const server = await startServeProcess(place, words);
  t.after(async () => {
    server.cli.signalGroup('SIGKILL');
    await server.cli.ended;
  });
  return server;
}

/** What a machine boots; undefined while nobody answers. */
async function startOf(machine: NetNamespace, mac: string): Promise<'media' | 'own disk' | undefined> {
  const path = `/machine?mac=${mac.replaceAll(':', '-')}&platform=pcbios`;
  const { status, body } = await fetchThere(machine, `http://${OURS}:7480${path}`);
  if (status === 0) return undefined;
  return /^kernel /m.test(body.toString()) ? 'media' : 'own disk';
}

test('one server has computers boot by their states, with an enrolment of its own, and leaves nothing, also when it was killed', async (t) => {
  await using session = openSession('pxe-service-test');
  using folders = makePxeFolders();
  const place = await openPlace(session, folders);
  await place.wire.plug(place.network, 'eth0', `${OURS}/24`);
  const database = await openDatabase(`sqlite:${join(folders.state, 'server.sqlite')}`);
  const computer = office(1);
  const registry = await Registry.open(database, new EventLog(database));
  const { id } = (await registry.seen({ inventory: inventoryOf(computer), via: 'control' })).computer;
  await registry.register(id, {}, 'user anna');
  await registry.changeState(id, { cause: 'adopted', actor: 'user anna' });
  await database.destroy();
  const mac = computer.nics?.[0]?.mac ?? '';

  const server = await startServer(t, folders, place);
  const unknown = await eventually(
    () => startOf(place.machine, '52:54:00:aa:bb:cc'),
    'nobody answered about booting',
  );
  assert.equal(unknown, 'media');
  assert.equal(await startOf(place.machine, mac), 'own disk');
  const { status } = await server.ask('POST', `/api/v1/computers/${id}/state`, { cause: 'set-aside' });
  assert.equal(status, 200);
  assert.equal(await startOf(place.machine, mac), 'media');
  const ended = async ({ cli }: ServeProcess): Promise<void> => {
    cli.signalGroup('SIGTERM');
    const { exitCode, stderr } = await cli.ended;
    assert.equal(exitCode, 0, stderr);
    const left = (await leftovers(folders.run, [])).filter((line) => line !== 'computers');
    assert.deepEqual(left, []);
  };
  await ended(server);

  const enrolments = enrolmentsOf(folders.state);
  const [first, ...others] = enrolments.list();
  assert.deepEqual([first?.name, others], ['network-boot', []]);
  for (const revoked of [false, true]) {
    if (revoked) enrolments.revoke('network-boot');
    const again = await startServer(t, folders, place);
    await eventually(() => startOf(place.machine, mac), 'it did not come back');
    const [now] = enrolments.list();
    assert.equal(now?.sha256 !== first?.sha256, revoked, 'computers keep their secret until it is revoked');
    if (revoked) {
      await ended(again);
    } else {
      // The next one ends what a killed one leaves: a dnsmasq that has the port.
      again.cli.signalGroup('SIGKILL');
      await again.cli.ended;
    }
  }
});

test('a server that cannot let computers boot says so, answers all the same, and can as soon as it is possible; also when its interface was away', async (t) => {
  await using session = openSession('pxe-service-test');
  using folders = makePxeFolders();
  const place = await openPlace(session, folders);
  const server = await startServer(t, folders, place);
  await server.cli.printed(
    /No computer can boot from the network eth0: there is no network interface eth0.*trying again/,
  );
  const alert = await eventually(async () => {
    const { json } = await server.ask('GET', '/api/v1/events?kind=pxe.failed');
    return json.at(0);
  }, 'there was no event');
  assert.equal(alert.severity, 'alert');
  await place.wire.plug(place.network, 'eth0', `${OURS}/24`);
  const start = await eventually(() => startOf(place.machine, '52:54:00:aa:bb:cc'), 'it was not tried again');
  assert.equal(start, 'media');
  await place.network.ip('link', 'delete', 'eth0');
  assert.equal((await server.ask('GET', '/api/v1/computers')).status, 200);
  await place.wire.plug(place.network, 'eth0', `${OURS}/24`);
  // Where the machine has not noticed that it is another card, it sends to the old one for a while.
  await place.machine.ip('neighbour', 'flush', 'all');
  await eventually(() => startOf(place.machine, '52:54:00:aa:bb:cc'), 'it did not come back');
  server.cli.signalGroup('SIGTERM');
  assert.equal((await server.cli.ended).exitCode, 0);
});
