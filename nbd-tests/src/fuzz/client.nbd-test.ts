import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openFiles } from '../setup/process-facts.ts';
import { MIB } from '../setup/scratch.ts';
import { MESSAGES, SEED } from './amount.ts';
import { fuzzClientHandshake, fuzzClientTransmission, proveClientWorks } from './fuzz-client.ts';
import { heldMemory } from './held-memory.ts';

/** What a run may leave in memory, in bytes: caches of the engine, nothing that grows with the messages. */
const MAX_GROWTH = 16 * MIB;

describe('a client whose server sends spoilt messages', () => {
  const runs = [
    ['the handshake', (messages: number) => fuzzClientHandshake(SEED, messages)],
    ['answers', (messages: number) => fuzzClientTransmission(SEED + 1, messages)],
  ] as const;
  for (const [what, fuzz] of runs) {
    test(`comes to an end with ${what}, each time, and keeps nothing of it`, async (t) => {
      await fuzz(2000);
      const [memory, files] = [await heldMemory(), openFiles()];
      const messages = await fuzz(MESSAGES.eachClientRun);
      await proveClientWorks();
      assert.equal(openFiles(), files);
      const growth = (await heldMemory()) - memory;
      assert.ok(growth < MAX_GROWTH, `${growth} bytes more are held`);
      t.diagnostic(`${messages} messages with seed ${SEED}`);
    });
  }
});
