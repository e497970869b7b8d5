import { uint } from '../wire/messages.ts';
import type { Chance } from '../setup/chance.ts';

/** What a mutation adds at most, in bytes. */
const MAX_ADDED_BYTES = 64;

type Mutation = (bytes: Buffer, chance: Chance) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, chance) {
    const copy = Buffer.from(bytes);
    const place = chance.below(copy.length);
    copy[place] = (copy[place] as number) ^ (1 << chance.below(8));
    return copy;
  },
  function changeByte(bytes, chance) {
    const copy = Buffer.from(bytes);
    copy[chance.below(copy.length)] = chance.below(256);
    return copy;
  },
  function putEdgeNumber(bytes, chance) {
    const copy = Buffer.from(bytes);
    uint(chance.pick([2, 4, 8]), chance.edge()).copy(copy, chance.below(copy.length));
    return copy;
  },
  function cutShort(bytes, chance) {
    return bytes.subarray(0, chance.below(bytes.length));
  },
  function removePiece(bytes, chance) {
    const [start, end] = piece(bytes, chance);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
  },
  function repeatPiece(bytes, chance) {
    const [start, end] = piece(bytes, chance);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
  function insertRubbish(bytes, chance) {
    const place = chance.below(bytes.length);
    const rubbish = chance.bytes(1 + chance.below(MAX_ADDED_BYTES));
    return Buffer.concat([bytes.subarray(0, place), rubbish, bytes.subarray(place)]);
  },
  function append(bytes, chance) {
    return Buffer.concat([bytes, chance.bytes(1 + chance.below(MAX_ADDED_BYTES))]);
  },
];

function piece(bytes: Buffer, chance: Chance): [start: number, end: number] {
  const start = chance.below(bytes.length);
  return [start, Math.min(bytes.length, start + 1 + chance.below(MAX_ADDED_BYTES))];
}

/** Changes bytes in one to three ways. */
export function mutate(bytes: Buffer, chance: Chance): Buffer {
  let mutated = bytes;
  for (let times = 1 + chance.below(3); times > 0; times--) {
    mutated = mutated.length === 0 ? chance.bytes(1) : chance.pick(MUTATIONS)(mutated, chance);
  }
  return mutated;
}
