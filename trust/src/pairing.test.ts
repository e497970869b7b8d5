import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { beginCpace, type CpaceInputs, lengthValues, sessionKey } from './cpace.ts';
import { PairingClient, PairingServer, type PairingChannel } from './pairing.ts';
import { createPairingCode, normalisePairingCode } from './pairing-code.ts';

const hex = (...parts: string[]): Buffer => Buffer.from(parts.join(''), 'hex');
const utf8 = (text: string): Buffer => Buffer.from(text);

describe('CPace, with the test vectors of draft-irtf-cfrg-cpace-21, appendix B.3', () => {
  const inputs: CpaceInputs = {
    password: utf8('Password'),
    channelIdentifier: hex('0b415f696e69746961746f720b425f726573706f6e646572'),
    sessionId: hex('7e4b4791d6a8ef019b936c79fb7f2c57'),
  };
  const a = beginCpace(inputs, hex('da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08'));
  const b = beginCpace(inputs, hex('d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d'));

  test('the shares are Ya and Yb', () => {
    assert.deepEqual(
      Buffer.from(a.share),
      hex('d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157'),
    );
    assert.deepEqual(
      Buffer.from(b.share),
      hex('3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258'),
    );
  });

  test('both reach K', () => {
    const point = hex('80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f');
    assert.deepEqual(Buffer.from(a.secretPoint(b.share)), point);
    assert.deepEqual(Buffer.from(b.secretPoint(a.share)), point);
  });

  test('both reach ISK', () => {
    const key = sessionKey(
      inputs,
      a.secretPoint(b.share),
      { share: a.share, associatedData: utf8('ADa') },
      { share: b.share, associatedData: utf8('ADb') },
    );
    assert.deepEqual(
      key,
      hex(
        'b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd',
        '2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447',
      ),
    );
  });

  // The neutral element, a value above the field's prime, and bytes that are no point (RFC 9496, appendix A.3).
  for (const share of [
    '00'.repeat(32),
    'ff'.repeat(32),
    '01' + '00'.repeat(31),
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    '26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371',
  ]) {
    test(`the share ${share.slice(0, 16)}… is refused`, () => {
      assert.throws(() => a.secretPoint(hex(share)), { code: 'PAIRING_FAILED' });
    });
  }

  test('parts are told apart by their lengths, also above 127', () => {
    assert.deepEqual(
      lengthValues(utf8('1234'), utf8('5'), utf8('')),
      hex('04', '31323334', '01', '35', '00'),
    );
    const long = lengthValues(new Uint8Array(128));
    assert.deepEqual(long.subarray(0, 3), hex('800100'));
    assert.equal(long.length, 130);
  });
});

const CHANNEL: PairingChannel = { server: 'aa', client: 'bb', exporter: utf8('exporter') };
const CODE = '7KQ2-MD9X';

/** All messages of a pairing; each may be changed on its way. */
function pair(
  server: { code: string; channel: PairingChannel },
  client: { code: string; channel: PairingChannel },
  change: Partial<Record<'serverShare' | 'clientShare' | 'serverProof' | 'clientProof', Uint8Array>> = {},
): void {
  const serverSide = new PairingServer(server.code, server.channel);
  const clientSide = new PairingClient(client.code, client.channel);
  const clientShare = clientSide.answer(change.serverShare ?? serverSide.share);
  const serverProof = serverSide.prove(change.clientShare ?? clientShare);
  const clientProof = clientSide.verify(change.serverProof ?? serverProof);
  serverSide.verify(change.clientProof ?? clientProof);
}

describe('pairing', () => {
  const right = { code: CODE, channel: CHANNEL };

  test('who knows the code is believed on both sides, however the code is written', () => {
    for (const code of [CODE, '7kq2md9x', ' 7KQ2 MD9X ', '7-K-Q-2-M-D-9-X']) pair({ ...right, code }, right);
  });

  test('a wrong code is refused', () => {
    for (const code of ['7KQ2-MD9Y', '0000-0000']) {
      assert.throws(() => pair({ ...right, code }, right), { code: 'PAIRING_FAILED' });
    }
  });

  for (const [what, channel] of [
    ["the server's key", { ...CHANNEL, server: 'ac' }],
    ["the client's key", { ...CHANNEL, client: 'bc' }],
    ['the TLS session', { ...CHANNEL, exporter: utf8('exportes') }],
    ['the bounds between them', { ...CHANNEL, server: 'aab', client: 'b' }],
  ] as const) {
    test(`the right code is refused where both sides see ${what} differently: somebody stands in between`, () => {
      assert.throws(() => pair({ ...right, channel }, right), { code: 'PAIRING_FAILED' });
    });
  }

  test('a client learns nothing from a server that does not know the code: it does not prove', () => {
    const server = new PairingServer('0000-0000', CHANNEL);
    const client = new PairingClient(CODE, CHANNEL);
    const proof = server.prove(client.answer(server.share));
    assert.throws(() => client.verify(proof), { code: 'PAIRING_FAILED' });
  });

  test('a share or proof that was changed, cut or sent back to its sender is refused', () => {
    const server = new PairingServer(CODE, CHANNEL);
    const shareOfOther = new PairingServer(CODE, CHANNEL).share;
    for (const change of [
      { serverShare: shareOfOther },
      { clientShare: shareOfOther },
      { clientShare: server.share },
      { serverShare: new Uint8Array(31) },
      { clientShare: new Uint8Array(33) },
      { serverProof: new Uint8Array(64) },
      { serverProof: new Uint8Array(0) },
      { clientProof: new Uint8Array(64) },
      { clientProof: new Uint8Array(63) },
    ]) {
      assert.throws(() => pair(right, right, change), { code: 'PAIRING_FAILED' }, Object.keys(change)[0]);
    }
  });

  test("a server's own share and proof, sent back to it, are refused", () => {
    const server = new PairingServer(CODE, CHANNEL);
    const proof = server.prove(server.share);
    assert.throws(() => server.verify(proof), { code: 'PAIRING_FAILED' });
  });

  test('a proof before the shares is refused', () => {
    assert.throws(() => new PairingClient(CODE, CHANNEL).verify(new Uint8Array(64)), {
      code: 'PAIRING_FAILED',
    });
    assert.throws(() => new PairingServer(CODE, CHANNEL).verify(new Uint8Array(64)), {
      code: 'PAIRING_FAILED',
    });
  });

  test('no two runs have a message in common', () => {
    const [a, b] = [new PairingServer(CODE, CHANNEL), new PairingServer(CODE, CHANNEL)];
    assert.notDeepEqual(a.share, b.share);
  });
});

describe('pairing codes', () => {
  test('a new code is 8 signs that are not taken for others, in two groups', () => {
    const codes = Array.from({ length: 200 }, createPairingCode);
    for (const code of codes) assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
    assert.equal(new Set(codes).size, codes.length);
    assert.ok(new Set(codes.join('')).size > 30, 'all signs are used');
  });

  test('signs that are taken for others are read as those', () => {
    assert.equal(normalisePairingCode('oil0-abcd'), '0110ABCD');
    assert.equal(normalisePairingCode(CODE), '7KQ2MD9X');
  });

  test('what cannot be a code is told before anything is sent', () => {
    for (const text of ['', '7KQ2-MD9', '7KQ2-MD9XX', '7KQ2-MD9U', '7KQ2_MD9X', 'ÄÄÄÄ-ÄÄÄÄ']) {
      assert.equal(normalisePairingCode(text), undefined);
      assert.throws(() => new PairingServer(text, CHANNEL), {
        code: 'PAIRING_FAILED',
        message: /is not a pairing code/,
      });
    }
  });
});
