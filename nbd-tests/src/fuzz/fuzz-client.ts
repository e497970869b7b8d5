import assert from 'node:assert/strict';
import { duplexPair, type Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DiskError } from '@diskferry/protocol/disk';
import { connectNbdOver } from '@diskferry/protocol/nbd/client';
import type { NbdDisk } from '@diskferry/protocol/nbd/nbd-disk';
import { NbdError } from '@diskferry/protocol/nbd/nbd-error';
import { ByteQueue } from '../wire/byte-queue.ts';
import { greeting, optionReply, uint } from '../wire/messages.ts';
import { OPTION, OPTION_REPLY } from '../wire/numbers.ts';
import { Chance } from '../setup/chance.ts';
import { mutate } from './mutate.ts';
import { answersTo, type ReceivedRequest, spoiltAnswers } from './spoilt-replies.ts';

const CLIENT_FLAGS_BYTES = 4;
const OPTION_HEADER = 16;
const REQUEST_HEADER = 28;
const EXTENDED_REQUEST_HEADER = 32;
const DISK_SIZE = 1024 * 1024;
/** A client that says nothing for so many turns of the event loop waits for more; all is in memory here. */
const PATIENCE_TURNS = 12;
/** Flush, FUA, trim, write zeroes, DF, several connections, cache, fast zeroes. */
const TRANSMISSION_FLAGS = 0b1101_1110_1101;

/** The server of a fuzz run: it knows the protocol, and sends its messages spoilt. */
class SpoilingServer {
  spoilt = 0;
  readonly #stream: Duplex;
  readonly #queue: ByteQueue;
  readonly #chance: Chance;

  constructor(stream: Duplex, chance: Chance) {
    this.#stream = stream;
    this.#queue = new ByteQueue(stream);
    this.#chance = chance;
  }

  /** Answers options until the client has chosen an export; whether it wants extended headers. */
  async handshake(spoils: boolean): Promise<boolean> {
    await this.#send([greeting()], spoils);
    await this.#takeSoon(CLIENT_FLAGS_BYTES);
    let extended = false;
    for (;;) {
      const header = await this.#takeSoon(OPTION_HEADER);
      const option = header.readUInt32BE(8);
      await this.#takeSoon(header.readUInt32BE(12));
      extended ||= option === OPTION.EXTENDED_HEADERS;
      await this.#send(optionReplies(option), spoils);
      if (option === OPTION.GO) return extended;
    }
  }

  /** Takes a request with its data. */
  async request(extended: boolean): Promise<ReceivedRequest> {
    const header = await this.#queue.take(extended ? EXTENDED_REQUEST_HEADER : REQUEST_HEADER);
    const length = extended ? Number(header.readBigUInt64BE(24)) : header.readUInt32BE(24);
    const type = header.readUInt16BE(6);
    if (type === 1) await this.#queue.take(length);
    return {
      type,
      cookie: header.readBigUInt64BE(8),
      offset: header.readBigUInt64BE(16),
      length,
      extended,
    };
  }

  /** Answers some requests in a wrong way. */
  async answerSpoilt(requests: readonly ReceivedRequest[]): Promise<void> {
    for (const request of requests) {
      for (const message of spoiltAnswers(request, this.#chance)) {
        if (!(await this.#deliver(message))) return;
        this.spoilt++;
      }
    }
  }

  /** Answers requests rightly. */
  async answer(requests: readonly ReceivedRequest[]): Promise<void> {
    for (const request of requests) for (const message of answersTo(request)) await this.#deliver(message);
  }

  /** Gives up on a client that waits itself, because a message told it of bytes that never come. */
  async #takeSoon(length: number): Promise<Buffer> {
    for (let turns = 0; this.#queue.length < length; turns++) {
      if (turns === PATIENCE_TURNS || this.#queue.ended) throw new Error('the client says nothing');
      await nextTurn();
    }
    return this.#queue.take(length);
  }

  async #send(messages: readonly Buffer[], spoils: boolean): Promise<void> {
    for (const message of messages) {
      const isSpoilt = spoils && this.#chance.happens(0.4);
      const arrived = await this.#deliver(isSpoilt ? mutate(message, this.#chance) : message);
      if (arrived && isSpoilt) this.spoilt++;
    }
  }

  /** Whether the client was still there. */
  async #deliver(message: Buffer): Promise<boolean> {
    if (this.#stream.destroyed) return false;
    this.#stream.write(message);
    await nextTurn();
    return true;
  }
}

function optionReplies(option: number): Buffer[] {
  const ack = optionReply(option, OPTION_REPLY.ACK);
  switch (option) {
    case OPTION.SET_META_CONTEXT:
      return [context(option, 1, 'base:allocation'), ack];
    case OPTION.LIST_META_CONTEXT:
      return [context(option, 0, `x-diskferry:disk:${'0'.repeat(64)}`), ack];
    case OPTION.GO:
      return [
        info(option, 0, uint(8, DISK_SIZE), uint(2, TRANSMISSION_FLAGS)),
        info(option, 2, Buffer.from('a disk')),
        info(option, 3, uint(4, 512), uint(4, 4096), uint(4, 32 * 1024 * 1024)),
        ack,
      ];
    default:
      return [ack];
  }
}

function context(option: number, id: number, name: string): Buffer {
  return optionReply(option, OPTION_REPLY.META_CONTEXT, Buffer.concat([uint(4, id), Buffer.from(name)]));
}

function info(option: number, type: number, ...fields: Buffer[]): Buffer {
  return optionReply(option, OPTION_REPLY.INFO, Buffer.concat([uint(2, type), ...fields]));
}

/**
 * Lets the client connect to a server that spoils its handshake: each attempt must end, with a disk or with one of our
 * errors.
 *
 * @returns how many spoilt messages arrived
 */
export async function fuzzClientHandshake(seed: number, messages: number): Promise<number> {
  const chance = new Chance(seed);
  let spoilt = 0;
  while (spoilt < messages) {
    const [stream, serverSide] = pair();
    const server = new SpoilingServer(serverSide, chance);
    const serving = server.handshake(true).catch(() => {});
    const connecting = connectNbdOver(stream, { exportName: 'sda', peer: 'the test' });
    const outcome = connecting.then(
      (disk) => disk.close(),
      (error: unknown) => assert.ok(error instanceof NbdError, String(error)),
    );
    await Promise.race([serving, outcome]);
    // After the last answer of the server, the client has what it wanted, or notices that no more comes.
    await nextTurn();
    serverSide.destroy();
    await Promise.all([serving, outcome]);
    spoilt += server.spoilt;
  }
  return spoilt;
}

/**
 * Lets a client ask for all that a disk can do, and answers wrongly: each question must end, with our errors if not
 * well.
 *
 * @returns how many spoilt messages arrived
 */
export async function fuzzClientTransmission(seed: number, messages: number): Promise<number> {
  const chance = new Chance(seed);
  let spoilt = 0;
  while (spoilt < messages) {
    const [stream, serverSide] = pair();
    const server = new SpoilingServer(serverSide, chance);
    const handshake = server.handshake(false);
    const disk = await connectNbdOver(stream, { exportName: 'sda', peer: 'the test' });
    const extended = await handshake;
    const questions = ask(disk);
    const settled = Promise.allSettled(questions);
    const requests: ReceivedRequest[] = [];
    for (let count = 0; count < questions.length; count++) requests.push(await server.request(extended));
    await server.answerSpoilt(requests);
    serverSide.destroy();
    for (const outcome of await settled) {
      if (outcome.status === 'fulfilled') continue;
      const { reason } = outcome as { reason: unknown };
      assert.ok(reason instanceof NbdError || reason instanceof DiskError, String(reason));
    }
    await disk.close();
    spoilt += server.spoilt;
  }
  return spoilt;
}

/** One request each. */
function ask(disk: NbdDisk): Promise<unknown>[] {
  const questions: Promise<unknown>[] = [
    disk.read(0, Buffer.alloc(512)),
    disk.write(512, Buffer.alloc(512)),
    disk.flush(),
    disk.discard(4096, 4096),
    disk.writeZeroes(8192, 4096),
    disk.read(4096, Buffer.alloc(8192)),
  ];
  if (disk.extents !== undefined) questions.push(disk.extents(0, DISK_SIZE));
  return questions;
}

/** A pair of streams that closes on both sides, as a connection does. */
function pair(): [Duplex, Duplex] {
  const [left, right] = duplexPair();
  left.on('close', () => right.destroy());
  right.on('close', () => left.destroy());
  for (const stream of [left, right]) stream.on('error', () => {});
  return [left, right];
}

/** Shows that a client of this process still works: an honest server, one read. */
export async function proveClientWorks(): Promise<void> {
  const [stream, serverSide] = pair();
  const server = new SpoilingServer(serverSide, new Chance(0));
  const handshake = server.handshake(false);
  const disk = await connectNbdOver(stream, { exportName: 'sda', peer: 'the test' });
  const extended = await handshake;
  const target = Buffer.alloc(512);
  const reading = disk.read(0, target);
  await server.answer([await server.request(extended)]);
  await reading;
  assert.deepEqual(target, Buffer.alloc(512, 0x5a));
  await disk.close();
}
