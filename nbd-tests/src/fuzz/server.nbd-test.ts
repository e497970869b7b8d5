import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readFileSync } from 'node:fs';
import { catalogOf, memoryDisk, serveInMemory } from '@diskferry/protocol/nbd/testing/server-setup';
import { serverSecureContext } from '@diskferry/protocol/nbd/testing/tls-keys';
import { connectionsClosed } from '../setup/connections-closed.ts';
import { startImagingClient } from '../setup/imaging-client.ts';
import { openFiles, peakMemory } from '../setup/process-facts.ts';
import { KIB, MIB, randomFile, scratchFolder } from '../setup/scratch.ts';
import { MESSAGES, SEED } from './amount.ts';
import { fuzzHandshake, fuzzTransmission, type Target } from './fuzz-server.ts';
import { heldMemory } from './held-memory.ts';

const DISK_SIZE = 64 * KIB;
/** What a run may leave in memory, in bytes: caches of the engine, nothing that grows with the messages. */
const MAX_GROWTH = 16 * MIB;
/** Resident memory of the imaging client's process under this load, in bytes. */
const PROCESS_BUDGET = 192 * MIB;

describe('a server in this process, fed with spoilt messages', () => {
  const target = (writable: boolean): Target => {
    const disk = memoryDisk(DISK_SIZE, { readOnly: !writable });
    return {
      connect: async () => serveInMemory(catalogOf({ sda: disk })),
      expected: writable ? undefined : Buffer.from(disk.bytes),
      diskSize: DISK_SIZE,
    };
  };
  const demandingTls = (): Target => {
    const tls = { secureContext: serverSecureContext(), required: true };
    const plain = target(false);
    return {
      ...plain,
      connect: async () => serveInMemory(catalogOf({ sda: memoryDisk(DISK_SIZE) }), { tls }),
      demandsTls: true,
    };
  };
  const runs: readonly [string, (messages: number) => Promise<number>][] = [
    ['options', (messages) => fuzzHandshake(target(false), SEED, messages)],
    ['options before TLS', (messages) => fuzzHandshake(demandingTls(), SEED + 5, messages)],
    ['requests to a read-only disk', (messages) => fuzzTransmission(target(false), SEED + 1, messages)],
    ['requests to a writable disk', (messages) => fuzzTransmission(target(true), SEED + 2, messages)],
  ];
  for (const [what, fuzz] of runs) {
    test(`answers ${what}, one by one, and keeps nothing of them`, async (t) => {
      await fuzz(2000);
      const [memory, files] = [await heldMemory(), openFiles()];
      const messages = await fuzz(MESSAGES.eachServerRun);
      assert.equal(openFiles(), files);
      const growth = (await heldMemory()) - memory;
      assert.ok(growth < MAX_GROWTH, `${growth} bytes more are held`);
      t.diagnostic(`${messages} messages with seed ${SEED}`);
    });
  }
});

describe('the imaging client, fed with spoilt messages', () => {
  test('lives on, within its memory, and closes every connection', async (t) => {
    const file = randomFile(join(scratchFolder(t), 'sda'), DISK_SIZE);
    const client = await startImagingClient(t, { disks: [file] });
    const target: Target = {
      connect: async () => {
        const stream = connect(client.port, client.host);
        await once(stream, 'connect');
        stream.on('error', () => {});
        // A reset is an end like any other.
        return { stream, ended: new Promise((resolve) => stream.once('close', resolve)) };
      },
      expected: readFileSync(file),
      diskSize: DISK_SIZE,
    };
    await fuzzHandshake(target, SEED, 500);
    const files = openFiles(client.pid);
    const options = await fuzzHandshake(target, SEED + 3, MESSAGES.eachProcessRun);
    const requests = await fuzzTransmission(target, SEED + 4, MESSAGES.eachProcessRun);
    assert.ok(client.isRunning());
    await connectionsClosed(client.pid, files);
    const peak = peakMemory(client.pid);
    assert.ok(peak < PROCESS_BUDGET, `${peak} bytes were resident`);
    t.diagnostic(`${options} options and ${requests} requests; ${Math.round(peak / MIB)} MiB at most`);
  });
});
