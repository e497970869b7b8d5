import { extendedRequest, type RawRequest, request } from '../wire/messages.ts';
import { COMMAND, PAYLOAD_LEN_FLAG } from '../wire/numbers.ts';
import type { Chance } from '../setup/chance.ts';
import { mutate } from './mutate.ts';

const SECTOR = 512;
/** How much a request carries at most, in bytes. */
const MAX_PAYLOAD = 4096;
/** Commands that are answered. */
const ANSWERED = Object.values(COMMAND).filter((command) => command !== COMMAND.DISC);

/** What is agreed on in the handshake. */
export type ReplyMode = 'simple' | 'structured' | 'extended';

/** A request of random fields. What it carries is as long as it says, so that the next one is understood. */
export function spoiltRequest(
  chance: Chance,
  { mode, cookie, diskSize }: { mode: ReplyMode; cookie: bigint; diskSize: number },
): RawRequest {
  const type = chance.happens(0.9) ? chance.pick(ANSWERED) : chance.pick([8, 9, 255, 256, 0x7fff, 0xffff]);
  const flags = chance.happens(0.6) ? 0 : chance.happens(0.7) ? chance.below(64) : chance.below(65_536);
  const offset = placeOf(chance, diskSize);
  const length = lengthOf(chance, mode);
  const fields = { type, cookie, offset, length, flags };
  if (mode !== 'extended') {
    return type === COMMAND.WRITE ? withPayload(fields, chance) : fields;
  }
  if (type === COMMAND.WRITE) return withPayload({ ...fields, flags: flags | PAYLOAD_LEN_FLAG }, chance);
  return (flags & PAYLOAD_LEN_FLAG) === 0 ? fields : withPayload(fields, chance);
}

function withPayload(fields: RawRequest, chance: Chance): RawRequest {
  const length = fields.length > MAX_PAYLOAD ? chance.below(MAX_PAYLOAD) : Number(fields.length);
  return { ...fields, length, payload: Buffer.alloc(length, chance.below(256)) };
}

function placeOf(chance: Chance, diskSize: number): bigint {
  if (chance.happens(0.6)) return BigInt(chance.below(diskSize / SECTOR) * SECTOR);
  return chance.happens(0.5) ? BigInt(chance.below(diskSize)) : chance.edge();
}

function lengthOf(chance: Chance, mode: ReplyMode): bigint {
  if (chance.happens(0.6)) return BigInt((1 + chance.below(8)) * SECTOR);
  const length = chance.happens(0.5) ? BigInt(chance.below(MAX_PAYLOAD)) : chance.edge();
  return mode === 'extended' ? length : BigInt.asUintN(32, length);
}

/** As the mode wants it. */
export function encode(fields: RawRequest, mode: ReplyMode): Buffer {
  return mode === 'extended' ? extendedRequest(fields) : request(fields);
}

/** A last message of a connection: anything, also a header without magic or a WRITE without its data. */
export function brokenRequest(chance: Chance, mode: ReplyMode, diskSize: number): Buffer {
  const fields = spoiltRequest(chance, { mode, cookie: 0n, diskSize });
  const bytes = encode(chance.happens(0.1) ? { ...fields, type: COMMAND.DISC } : fields, mode);
  return mutate(bytes, chance);
}
