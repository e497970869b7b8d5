import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PairingChannel, PairingServer } from '@diskferry/trust/pairing';
import { PairingDesk } from './pairing-desk.ts';

const CHANNEL: PairingChannel = { server: 'aa', client: 'bb', exporter: Buffer.from('exporter') };
const WRONG_CODE = 'ZZZZ-ZZZZ';

/** A desk with a clock that stands still, whose codes are 0000-0001, 0000-0002 and so on. */
function startDesk() {
  let now = 0;
  let codes = 0;
  const desk = new PairingDesk({
    now: () => now,
    createCode: () => `0000-000${(++codes).toString(36)}`,
  });
  return {
    desk,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

/** One try of a server; returns whether both sides were satisfied. */
async function tryPairing(desk: PairingDesk, code: string): Promise<boolean> {
  const attempt = await desk.begin(CHANNEL);
  const server = new PairingServer(code, CHANNEL);
  const proof = server.prove(attempt.answer(server.share));
  try {
    server.verify(attempt.verify(proof));
    return true;
  } catch {
    return false;
  }
}

test('the right code pairs once, and is used up', async () => {
  const { desk } = startDesk();
  assert.equal(desk.code, '0000-0001');
  assert.equal(await tryPairing(desk, '0000-0001'), true);
  assert.equal(desk.code, '0000-0002');
  assert.equal(await tryPairing(desk, '0000-0001'), false);
});

test('after a success the next server need not wait', async () => {
  const { desk } = startDesk();
  assert.equal(await tryPairing(desk, desk.code), true);
  assert.equal(await tryPairing(desk, desk.code), true);
});

test('each wrong try makes the next one wait longer, up to a minute', async () => {
  const { desk, pass } = startDesk();
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    assert.equal(await tryPairing(desk, WRONG_CODE), false);
    pass(seconds * 1000 - 1);
    await assert.rejects(desk.begin(CHANNEL), {
      code: 'PAIRING_DELAYED',
      message: /tries with a wrong code, the next one is taken in 1 s/,
    });
    pass(1);
  }
});

test('a refused try costs nothing: it neither counts nor lengthens the wait', async () => {
  const { desk, pass } = startDesk();
  await tryPairing(desk, WRONG_CODE);
  for (let tries = 0; tries < 100; tries++) await assert.rejects(desk.begin(CHANNEL));
  pass(1000);
  assert.equal(await tryPairing(desk, '0000-0001'), true);
});

test('five wrong tries make it a new code', async () => {
  const { desk, pass } = startDesk();
  for (let tries = 0; tries < 5; tries++) {
    assert.equal(desk.code, '0000-0001');
    assert.equal(await tryPairing(desk, WRONG_CODE), false);
    pass(60_000);
  }
  assert.equal(desk.code, '0000-0002');
  assert.equal(await tryPairing(desk, '0000-0001'), false);
});

test('the fifth try itself still has the code that was shown when it began', async () => {
  const { desk, pass } = startDesk();
  for (let tries = 0; tries < 4; tries++) {
    await tryPairing(desk, WRONG_CODE);
    pass(60_000);
  }
  assert.equal(await tryPairing(desk, '0000-0001'), true);
});

test('a try that is broken off counts as wrong', async () => {
  const { desk, pass } = startDesk();
  for (let tries = 0; tries < 5; tries++) {
    (await desk.begin(CHANNEL)).answer(new PairingServer(WRONG_CODE, CHANNEL).share);
    await assert.rejects(desk.begin(CHANNEL), { code: 'PAIRING_DELAYED' });
    pass(60_000);
  }
  assert.equal(desk.code, '0000-0002');
});

test('a try has one proof: a second one is refused even if it is right', async () => {
  const { desk } = startDesk();
  const attempt = await desk.begin(CHANNEL);
  const server = new PairingServer('0000-0001', CHANNEL);
  const proof = server.prove(attempt.answer(server.share));
  assert.throws(() => attempt.verify(new Uint8Array(64)), { code: 'PAIRING_FAILED' });
  assert.throws(() => attempt.verify(proof), { code: 'PAIRING_FAILED' });
});
