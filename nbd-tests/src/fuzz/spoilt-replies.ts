import { extendedReply, structuredReply, uint } from '../wire/messages.ts';
import { COMMAND, REPLY_TYPE } from '../wire/numbers.ts';
import type { Chance } from '../setup/chance.ts';
import { mutate } from './mutate.ts';

/** What a client asked. */
export interface ReceivedRequest {
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
  /** It has an extended header, and wants one. */
  readonly extended: boolean;
}

interface Fields {
  type: number;
  cookie: bigint;
  flags: number;
  payload: Buffer;
}

/** The right answer to a request, in two chunks where it is a READ; data are 0x5a. */
export function answersTo(request: ReceivedRequest): Buffer[] {
  return chunksOf(request).map((fields) => encode(request, fields));
}

/** A wrong answer: wrong in its fields, in its bytes, or only in its order. */
export function spoiltAnswers(request: ReceivedRequest, chance: Chance): Buffer[] {
  const chunks = chunksOf(request);
  for (const fields of chunks) if (chance.happens(0.6)) spoilField(fields, chance);
  if (chance.happens(0.2)) chunks.push(...chunksOf(request));
  if (chance.happens(0.1)) chunks.reverse();
  const messages = chunks.map((fields) => encode(request, fields));
  return messages.map((message) => (chance.happens(0.2) ? mutate(message, chance) : message));
}

function chunksOf({ type, cookie, offset, length, extended }: ReceivedRequest): Fields[] {
  const done = { cookie, flags: 1 };
  if (type === COMMAND.READ) {
    const half = length / 2;
    const data = Buffer.concat([uint(8, offset), Buffer.alloc(half, 0x5a)]);
    const rest = Buffer.concat([uint(8, offset + BigInt(half)), Buffer.alloc(half, 0x5a)]);
    return [
      { ...done, flags: 0, type: REPLY_TYPE.OFFSET_DATA, payload: data },
      { ...done, type: REPLY_TYPE.OFFSET_DATA, payload: rest },
    ];
  }
  if (type === COMMAND.BLOCK_STATUS) return [{ ...done, ...status(length, extended) }];
  return [{ ...done, type: REPLY_TYPE.NONE, payload: Buffer.alloc(0) }];
}

function status(length: number, extended: boolean): Pick<Fields, 'type' | 'payload'> {
  const extents = [
    [length / 2, 0],
    [length / 2, 3],
  ] as const;
  if (!extended) {
    const words = extents.flatMap(([bytes, state]) => [uint(4, bytes), uint(4, state)]);
    return { type: REPLY_TYPE.BLOCK_STATUS, payload: Buffer.concat([uint(4, 1), ...words]) };
  }
  const words = extents.flatMap(([bytes, state]) => [uint(8, bytes), uint(8, state)]);
  const payload = Buffer.concat([uint(4, 1), uint(4, extents.length), ...words]);
  return { type: REPLY_TYPE.BLOCK_STATUS_EXT, payload };
}

function encode({ extended, offset }: ReceivedRequest, fields: Fields): Buffer {
  return extended ? extendedReply({ ...fields, offset }) : structuredReply(fields);
}

function spoilField(fields: Fields, chance: Chance): void {
  switch (chance.below(6)) {
    case 0:
      fields.type = chance.pick([0, 1, 2, 5, 6, 7, 0x7fff, 0x8001, 0x8002, 0x8003, 0xffff]);
      break;
    case 1:
      fields.cookie = chance.happens(0.5) ? chance.edge() : fields.cookie + 1n;
      break;
    case 2:
      fields.flags = chance.below(65_536);
      break;
    case 3:
      fields.payload = fields.payload.length === 0 ? chance.bytes(8) : mutate(fields.payload, chance);
      break;
    case 4:
      Object.assign(fields, errorChunk(chance));
      break;
    default:
      Object.assign(fields, hole(chance));
  }
}

function errorChunk(chance: Chance): Pick<Fields, 'type' | 'payload'> {
  const message = chance.bytes(chance.below(200));
  const length = chance.happens(0.8) ? message.length : Number(chance.edge() % 65_536n);
  const payload = Buffer.concat([uint(4, chance.edge()), uint(2, length), message]);
  return { type: chance.pick([0x8001, 0x8002, 0x8abc]), payload };
}

function hole(chance: Chance): Pick<Fields, 'type' | 'payload'> {
  return {
    type: REPLY_TYPE.OFFSET_HOLE,
    payload: Buffer.concat([uint(8, chance.edge()), uint(4, chance.edge())]),
  };
}
