import { contextQueries, infoRequest, option, string } from '../wire/messages.ts';
import { OPTION } from '../wire/numbers.ts';
import type { Chance } from '../setup/chance.ts';
import { mutate } from './mutate.ts';

/** Data that some option takes. */
const TEMPLATES: readonly Buffer[] = [
  infoRequest('sda', [3]),
  infoRequest('sda', [0, 1, 2, 3]),
  infoRequest('', []),
  infoRequest('/dev/sda', [3, 3, 3]),
  contextQueries('sda', ['base:allocation']),
  contextQueries('sda', ['base:', 'x-diskferry:', 'qemu:dirty-bitmap:x']),
  contextQueries('sda', []),
  string('sda'),
  Buffer.from('sda'),
  Buffer.alloc(0),
];
/** Options that neither end the handshake nor begin another protocol: the connection is usable after them. */
const STAYING = [
  OPTION.LIST,
  OPTION.INFO,
  OPTION.STRUCTURED_REPLY,
  OPTION.LIST_META_CONTEXT,
  OPTION.SET_META_CONTEXT,
  OPTION.EXTENDED_HEADERS,
];
const ENDING = [OPTION.EXPORT_NAME, OPTION.ABORT, OPTION.GO, OPTION.STARTTLS];

/** Longer than a name may be, and longer than the data of an option may be. */
const TOO_LONG = [4097, 5000, 70_000];

/** An option of some type, and what a server answers to. */
export interface SpoiltOption {
  readonly type: number;
  readonly bytes: Buffer;
}

/** An option with rubbish for data but of the length that it says: the next message is understood. */
export function spoiltOption(chance: Chance): SpoiltOption {
  const type = typeOf(chance);
  return { type, bytes: option(type, dataOf(chance)) };
}

function typeOf(chance: Chance): number {
  if (chance.happens(0.9)) return chance.pick(STAYING);
  const type = Number(chance.edge() % 2n ** 32n);
  return Object.values(OPTION).includes(type as never) ? 4 : type;
}

function dataOf(chance: Chance): Buffer {
  if (chance.happens(0.01)) return chance.happens(0.5) ? Buffer.alloc(70_000) : longName(chance);
  return mutate(chance.pick(TEMPLATES), chance);
}

function longName(chance: Chance): Buffer {
  return infoRequest('x'.repeat(chance.pick(TOO_LONG)), [3]);
}

/** A last message of a connection: anything, also a length that is wrong or an option that ends the handshake. */
export function brokenOption(chance: Chance): Buffer {
  const type = chance.pick([...ENDING, ...STAYING]);
  return mutate(option(type, chance.pick(TEMPLATES)), chance);
}
