import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { ByteQueue } from '../wire/byte-queue.ts';
import { CLIENT_FLAGS, contextQueries, infoRequest, option, type RawRequest } from '../wire/messages.ts';
import { COMMAND, OPTION, OPTION_ERRORS, OPTION_REPLY, OPTION_REPLY_MAGIC } from '../wire/numbers.ts';
import { ReplyScanner, type ScannedAnswer } from '../wire/reply-scanner.ts';
import { Chance } from '../setup/chance.ts';
import { brokenOption, spoiltOption } from './spoilt-options.ts';
import { brokenRequest, encode, type ReplyMode, spoiltRequest } from './spoilt-requests.ts';

const GREETING_BYTES = 18;
const OPTION_REPLY_HEADER = 20;
/** Fewer than a server accepts of one connection, with those that lead to the transmission phase. */
const OPTIONS_PER_CONNECTION = 100;
const REQUESTS_PER_CONNECTION = 400;
/** Every cookie is used once a connection, so that an answer that comes twice is seen. */
const LAST_COOKIE = 0xffff_ffff_ffff_ffffn;

/** A server under test. */
export interface Target {
  /** A new connection; `ended` settles when the server has done with it. */
  connect(): Promise<{ readonly stream: Duplex; readonly ended: Promise<unknown> }>;
  /** What the export "sda" holds; undefined if it may be written. */
  readonly expected: Uint8Array | undefined;
  readonly diskSize: number;
  /** Refuses everything before TLS. */
  readonly demandsTls?: boolean;
}

/**
 * Sends spoilt options. All but the last of a connection have the length that they say: each must be answered in
 * turn, and the connection must be usable afterwards. After the last, the server must be done with the connection.
 *
 * @returns how many were sent
 */
export async function fuzzHandshake(target: Target, seed: number, messages: number): Promise<number> {
  const chance = new Chance(seed);
  let sent = 0;
  while (sent < messages) {
    const { stream, ended } = await target.connect();
    const queue = new ByteQueue(stream);
    const options = Array.from({ length: OPTIONS_PER_CONNECTION }, () => spoiltOption(chance));
    // The proof that the connection is usable.
    const last = { type: OPTION.INFO, bytes: option(OPTION.INFO, infoRequest('sda', [3])) };
    stream.write(Buffer.concat([CLIENT_FLAGS, ...[...options, last].map(({ bytes }) => bytes)]));
    await queue.take(GREETING_BYTES);
    let result = 0;
    for (const { type } of [...options, last]) result = await takeOptionReplies(queue, type, target);
    const wanted = target.demandsTls === true ? /^8/ : /^1$/;
    assert.match(result.toString(16), wanted, 'NBD_OPT_INFO after the spoilt options');
    await sendLast(stream, brokenOption(chance), ended);
    sent += options.length + 1;
  }
  return sent;
}

/** The last reply to an option, which is an error or NBD_REP_ACK. */
async function takeOptionReplies(queue: ByteQueue, option: number, target: Target): Promise<number> {
  for (;;) {
    const header = await queue.take(OPTION_REPLY_HEADER);
    assert.equal(header.readBigUInt64BE(0), OPTION_REPLY_MAGIC);
    assert.equal(header.readUInt32BE(8), option, 'the option that the reply belongs to');
    const type = header.readUInt32BE(12);
    await queue.take(header.readUInt32BE(16));
    if (target.demandsTls === true) assert.ok(type >= OPTION_ERRORS, `reply ${type} before TLS`);
    if (type === OPTION_REPLY.ACK || type >= OPTION_ERRORS) return type;
  }
}

/**
 * Sends spoilt requests. Each but the last of a connection must be answered once, READs with what the disk holds, and
 * the connection must be usable afterwards.
 *
 * @returns how many were sent
 */
export async function fuzzTransmission(target: Target, seed: number, messages: number): Promise<number> {
  const chance = new Chance(seed);
  let sent = 0;
  while (sent < messages) {
    const { stream, ended } = await target.connect();
    const queue = new ByteQueue(stream);
    const mode = await enter(stream, queue, chance.pick(['simple', 'structured', 'extended']));
    const requests = Array.from({ length: REQUESTS_PER_CONNECTION }, (_, index) =>
      spoiltRequest(chance, { mode, cookie: BigInt(index), diskSize: target.diskSize }),
    );
    const check = (answer: ScannedAnswer): void => checkAnswer(answer, target);
    await exchange({ stream, queue, mode, requests, check });
    await proveUsable({ stream, queue, mode, target });
    await sendLast(stream, brokenRequest(chance, mode, target.diskSize), ended);
    sent += requests.length + 1;
  }
  return sent;
}

/** Goes into the transmission phase; what the server agreed to. */
async function enter(stream: Duplex, queue: ByteQueue, wanted: ReplyMode): Promise<ReplyMode> {
  stream.write(CLIENT_FLAGS);
  await queue.take(GREETING_BYTES);
  const ask = async (type: number, data?: Uint8Array): Promise<boolean> => {
    stream.write(option(type, data));
    return (await takeOptionReplies(queue, type, NO_TLS)) === OPTION_REPLY.ACK;
  };
  const asks = { simple: undefined, structured: OPTION.STRUCTURED_REPLY, extended: OPTION.EXTENDED_HEADERS }[
    wanted
  ];
  const agreed = asks !== undefined && (await ask(asks));
  if (agreed) await ask(OPTION.SET_META_CONTEXT, contextQueries('sda', ['base:allocation']));
  assert.ok(await ask(OPTION.GO, infoRequest('sda', [3])), 'NBD_OPT_GO');
  return agreed ? wanted : 'simple';
}

const NO_TLS = { demandsTls: false } as Target;

interface Exchange {
  readonly stream: Duplex;
  readonly queue: ByteQueue;
  readonly mode: ReplyMode;
  readonly requests: readonly RawRequest[];
  readonly check: (answer: ScannedAnswer) => void;
}

/** Sends requests and waits until each has its answer. */
async function exchange({ stream, queue, mode, requests, check }: Exchange): Promise<void> {
  const scanner = new ReplyScanner(check);
  for (const request of requests) scanner.expect(request);
  stream.write(Buffer.concat(requests.map((request) => encode(request, mode))));
  while (scanner.waiting > 0) scanner.push(await queue.take(Math.max(1, queue.length)));
}

function checkAnswer({ request, error, data }: ScannedAnswer, { expected }: Target): void {
  if (data === undefined || error !== 0 || expected === undefined) return;
  const start = Number(request.offset);
  assert.ok(
    data.equals(expected.subarray(start, start + data.length)),
    `READ of ${data.length} bytes at ${start}`,
  );
}

/** A good READ brings the right data, and where the disk may be written, a good WRITE is done. */
async function proveUsable({
  target,
  ...connection
}: Omit<Exchange, 'requests' | 'check'> & { readonly target: Target }): Promise<void> {
  const place = { cookie: LAST_COOKIE, offset: 512, length: 512 };
  const payload = Buffer.alloc(512, 0x5a);
  const check = (answer: ScannedAnswer): void => assert.equal(answer.error, 0);
  if (target.expected === undefined) {
    const flags = connection.mode === 'extended' ? 1 << 5 : 0;
    const requests = [{ ...place, type: COMMAND.WRITE, flags, payload }];
    await exchange({ ...connection, requests, check });
  }
  await exchange({
    ...connection,
    requests: [{ ...place, type: COMMAND.READ }],
    check: (answer) => {
      check(answer);
      assert.deepEqual(answer.data, target.expected?.slice(512, 1024) ?? payload);
    },
  });
}

/** Sends what cannot be understood and hangs up: the server must be done with the connection. */
async function sendLast(stream: Duplex, message: Buffer, ended: Promise<unknown>): Promise<void> {
  stream.on('error', () => {});
  stream.end(message);
  await ended;
  if (stream.closed) return;
  stream.destroy();
  await once(stream, 'close');
}
