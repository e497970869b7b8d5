import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { openSession, type Session } from '@diskferry/system/session';
import { openDatabase } from '../database/database.ts';
import { EventLog } from '../events/event-log.ts';
import { type NetNamespace, openNamespace } from '../pxe/testing/net-namespace.ts';
import { openWire } from '../pxe/testing/test-wire.ts';
import { Registry } from '../registry/registry.ts';
import { inventoryOf, office } from '../registry/testing/inventories.ts';
import { startServeProcess } from '../serve/testing/serve-process.ts';
import { endedJob } from '../serve/testing/served-computer.ts';

const BOUND_MS = 60_000;
/** Prints each frame of IPv4 and UDP for port 9 that reaches a card, as hex; 3 is ETH_P_ALL. */
const CAPTURE = `
import socket
card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
card.bind(('eth0', 0))
print('listening', flush=True)
while True:
    frame = card.recv(65535)
    if frame[12:14] == b'\\x08\\x00' and frame[23] == 17 and frame[36:38] == b'\\x00\\x09':
        print(frame.hex(), flush=True)
`;
const ETHERNET_AND_IPV4_AND_UDP_BYTES = 14 + 20 + 8;

/** Captures what the card of a computer that sleeps would hear: it has no address. */
async function listenOn(
  session: Session,
  { enter: [program, ...words] }: NetNamespace,
): Promise<() => Promise<Buffer>> {
  const child = spawn(program, [...words, 'python3', '-c', CAPTURE], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  if (child.pid !== undefined) session.holdProcess(child.pid, 'capture of a card');
  const lines = createInterface(child.stdout);
  const nextLine = async (): Promise<string> => {
    const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(BOUND_MS) })) as [string];
    return line;
  };
  assert.equal(await nextLine(), 'listening');
  return async () => Buffer.from(await nextLine(), 'hex');
}

test('a power job of the server sends a magic packet that the card of a sleeping computer hears', async (t) => {
  await using session = openSession('wake-on-lan-test');
  const folder = mkdtempSync(join(tmpdir(), 'dfq-wake-'));
  const wire = await openWire(session, 'the wire');
  const [network, asleep] = [
    await openNamespace(session, 'server'),
    await openNamespace(session, 'sleeping computer'),
  ];
  await wire.plug(network, 'eth0', '10.77.0.3/24');
  await wire.plug(asleep, 'eth0');

  const [stateFolder, runFolder] = [join(folder, 's'), join(folder, 'r')];
  mkdirSync(stateFolder);
  const database = await openDatabase(`sqlite:${join(stateFolder, 'server.sqlite')}`);
  const registry = await Registry.open(database, new EventLog(database));
  const computer = office(1);
  const { id } = (await registry.seen({ inventory: inventoryOf(computer), via: 'control' })).computer;
  await registry.register(id, { name: 'asleep' }, 'user anna');
  await database.destroy();
  const server = await startServeProcess({ stateFolder, runFolder, before: network.enter }, [
    '--listen',
    '10.77.0.3',
    '--port',
    '0',
  ]);
  t.after(async () => {
    server.cli.signalGroup('SIGTERM');
    await server.cli.ended;
    rmSync(folder, { recursive: true });
  });

  const nextFrame = await listenOn(session, asleep);
  const heard = nextFrame();
  const job = await server.ask('POST', '/api/v1/jobs', {
    kind: 'power',
    spec: { computer: 'asleep', action: 'on' },
  });
  const [frame, { state, result }] = await Promise.all([heard, endedJob(server, job.json.id)]);
  const mac = computer.nics?.[0]?.mac ?? '';
  assert.deepEqual([state, result], ['succeeded', { by: `magic packet to ${mac}` }]);
  assert.equal(frame.subarray(0, 6).toString('hex'), 'f'.repeat(12), 'it is for all cards of the network');
  const payload = frame.subarray(ETHERNET_AND_IPV4_AND_UDP_BYTES);
  assert.equal(payload.toString('hex'), 'f'.repeat(12) + mac.replaceAll(':', '').repeat(16));
});
