import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineDisk } from '@diskferry/server/qemu/machine-description';
import { openSession } from '@diskferry/system/session';
import { artefact } from './artefacts.ts';
import { withBootedClient } from './booted-client.ts';
import { emptyDisk } from './deploy.ts';
import { diskferry } from './diskferry.ts';
import {
  answersOnTheNetwork,
  NEW_DISK_BYTES,
  openSite,
  PROMPT,
  sourceOfSite,
  START_MS,
} from './server-site.ts';
import { ANSWER_PORT, networkedCopy } from './source-computers/networked-copy.ts';
import { workFile } from './work-files.ts';

/** Where a guest finds this host, in QEMU's user network. */
const HOST = '10.0.2.2';
const COMMAND_TIMEOUT_MS = 120_000;

test('by a CD and the API alone, an unknown computer is captured and goes on, and an empty one becomes its like', async (context) => {
  await using session = openSession('server-test');
  await using site = await openSite({ words: ['--host', HOST] });
  const iso = await workFile(session, 'server.iso');
  const { ca, enrolment } = site.media;
  const settings = ['--server', `${HOST}:${site.server.port}`, '--ca', ca, '--enrolment', enrolment];
  await diskferry(['media', 'customize', artefact('diskferry.iso'), iso, ...settings], {
    timeoutMs: COMMAND_TIMEOUT_MS,
  });
  const boot = { session, medium: 'cd', firmware: 'bios', iso, dials: true, ownPort: ANSWER_PORT } as const;
  /** Behind its job, the system of its disk starts, whatever the serial console said before. */
  const startsItsSystem = async (
    disk: MachineDisk,
    name: string,
    job: readonly [kind: string, spec: object],
  ): Promise<void> => {
    await withBootedClient({ ...boot, name: `server-${name}`, disks: [disk] }, async ({ machine }) => {
      await site.register(name);
      const { end } = machine.serial;
      await site.doJob(...job);
      const begin = performance.now();
      await machine.waitForSerial(PROMPT, { timeoutMs: START_MS, from: end });
      context.diagnostic(
        `${name}: login prompt ${((performance.now() - begin) / 1000).toFixed(0)} s after its job`,
      );
      await answersOnTheNetwork({ address: '127.0.0.1', port: machine.hostPort(ANSWER_PORT) });
    });
    assert.equal(await site.stateOf(name), 'deployed');
  };
  const path = await networkedCopy(await sourceOfSite(), session);
  const old = { path, format: 'raw', bus: 'ahci', snapshot: true, serial: 'OLD-DISK-0001' } as const;
  await startsItsSystem(old, 'old', ['capture', { computer: 'old', image: 'debian' }]);
  const empty = await emptyDisk(session, 'new.raw', NEW_DISK_BYTES);
  const fresh = { path: empty, format: 'raw', bus: 'ahci', serial: 'NEW-DISK-0001' } as const;
  await startsItsSystem(fresh, 'new', ['deploy', { computer: 'new', image: 'debian' }]);
});
