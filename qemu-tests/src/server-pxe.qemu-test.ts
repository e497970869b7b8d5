import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { openNamespace } from '@diskferry/server/pxe/testing/net-namespace';
import { openWire, startForeignDhcp } from '@diskferry/server/pxe/testing/test-wire';
import type { Machine } from '@diskferry/server/qemu/machine';
import type { MachineDisk } from '@diskferry/server/qemu/machine-description';
import { openSession } from '@diskferry/system/session';
import { artefact } from './artefacts.ts';
import { emptyDisk } from './deploy.ts';
import { openPowerHook } from './power-hook.ts';
import { startNetworkMachine } from './pxe-machine.ts';
import {
  answersOnTheNetwork,
  NEW_DISK_BYTES,
  openSite,
  PROMPT,
  sourceOfSite,
  START_MS,
} from './server-site.ts';
import { sitOn } from './sit.ts';
import { networkedCopy } from './source-computers/networked-copy.ts';

/*
 * One wire with the DHCP server of the site, with our server, which is beside it, and with one machine after the other. They
 * have no medium but the network, and nobody presses a key.
 */
const OURS = '10.77.0.3';
/** The site's DHCP server has these addresses for the machines, whatever system asks. */
const OLD = {
  name: 'old',
  mac: '52:54:00:5e:00:01',
  uuid: '7c1b3a52-90de-4d4f-a0c5-31f2a96e4b01',
  address: '10.77.0.51',
};
const NEW = {
  name: 'new',
  mac: '52:54:00:5e:00:02',
  uuid: '7c1b3a52-90de-4d4f-a0c5-31f2a96e4b02',
  address: '10.77.0.52',
};
const RESERVED = [OLD, NEW].map(
  ({ name, mac, address }) => `host ${name} { hardware ethernet ${mac}; fixed-address ${address}; }`,
);

test('by PXE and the API alone, an unknown computer is captured and goes on, and an empty one becomes its like; power jobs switch it', async (context) => {
  await using session = openSession('server-pxe-test');
  await using stack = new AsyncDisposableStack();
  const wire = await openWire(session, 'the wire');
  const network = await openNamespace(session, 'server');
  await wire.plug(network, 'eth0', `${OURS}/24`);
  await startForeignDhcp(session, wire, RESERVED.join('\n'));
  const folder = mkdtempSync(join(tmpdir(), 'dfq-hook-'));
  stack.defer(() => rmSync(folder, { recursive: true }));

  const start = async (
    { name, mac, uuid }: Pick<typeof OLD, 'name' | 'mac' | 'uuid'>,
    disk: MachineDisk,
  ): Promise<Machine> =>
    startNetworkMachine({
      name: `server-pxe-${name}`,
      firmware: 'bios',
      memoryMb: 256,
      mac,
      uuid,
      session,
      wire: wire.namespace,
      disks: [disk],
    });
  /** Its power supply: switched by the hook, and the first time by hand. */
  const power: { machine?: Machine } = {};
  stack.defer(async () => void (await power.machine?.kill()));
  const newDisk = {
    path: await emptyDisk(session, 'new.raw', NEW_DISK_BYTES),
    format: 'raw',
    bus: 'ahci',
    serial: 'NEW-DISK-0002',
  } as const;
  const turned: string[] = [];
  const hook = stack.use(
    await openPowerHook(folder, async (action, computer) => {
      turned.push(`${computer} ${action}`);
      if (action === 'on') power.machine = await start(NEW, newDisk);
      else await power.machine?.kill();
    }),
  );

  const site = stack.use(
    await openSite({
      words: ['--listen', OURS],
      settings:
        `[power]\nhook = "${hook.program}"\n` +
        `[pxe]\ninterface = "eth0"\nfiles = "${dirname(artefact('pxe/vmlinuz'))}"\n`,
      before: network.enter,
    }),
  );
  const startedFromItsDisk = async (mac: string): Promise<void> => {
    await site.server.cli.printed(new RegExp(`PXE: ${mac} .* starts from its own disk`));
  };

  const begin = performance.now();
  const passed = (what: string): void =>
    context.diagnostic(`${((performance.now() - begin) / 1000).toFixed(0)} s: ${what}`);
  const startsItsSystem = async (machine: Machine, from: number, address: string): Promise<void> => {
    await machine.waitForSerial(PROMPT, { timeoutMs: START_MS, from });
    passed('login prompt');
    await answersOnTheNetwork({ address, before: network.enter });
    passed('answered');
  };
  const sittingOn = async (machine: () => Machine | undefined, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      const up = machine();
      if (up !== undefined) await sitOn(up, []);
      throw error;
    }
  };

  await using old = await start(OLD, {
    path: await networkedCopy(await sourceOfSite(), session),
    format: 'raw',
    bus: 'ahci',
    snapshot: true,
    serial: 'OLD-DISK-0002',
  });
  await sittingOn(
    () => old,
    async () => {
      await site.register(OLD.name);
      passed('the old computer is registered');
      const { end } = old.serial;
      await site.doJob('capture', { computer: OLD.name, image: 'debian' });
      passed('captured');
      await startsItsSystem(old, end, OLD.address);
      assert.equal(await site.stateOf(OLD.name), 'deployed');
      await startedFromItsDisk(OLD.mac);
    },
  );
  await old.kill();

  const first = await start(NEW, newDisk);
  power.machine = first;
  await sittingOn(
    () => power.machine,
    async () => {
      await site.register(NEW.name);
      passed('the new computer is registered');
      await site.doJob('power', { computer: NEW.name, action: 'off' });
      assert.equal((await first.exited).exitCode, 0);
      await site.connected(NEW.name, false);
      await site.doJob('power', { computer: NEW.name, action: 'on' });
      passed('switched off, and on by the hook');
      await site.connected(NEW.name, true);
      passed('it has dialled in again');
      const { machine } = power;
      assert.ok(machine && machine !== first);
      const { end } = machine.serial;
      await site.doJob('deploy', { computer: NEW.name, image: 'debian' });
      passed('deployed');
      await startsItsSystem(machine, end, NEW.address);
      assert.equal(await site.stateOf(NEW.name), 'deployed');
      await startedFromItsDisk(NEW.mac);
      await site.doJob('power', { computer: NEW.name, action: 'off' });
      assert.deepEqual(turned, ['new on', 'new off']);
      await machine.exited;
    },
  );
});
