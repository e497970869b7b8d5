/**
 * CPace, a balanced PAKE: two parties that know the same password reach the same key, and a third that talks to either gets
 * one guess a run and nothing to try guesses on afterwards. Suite CPACE-RISTR255-SHA512 in the initiator-responder setting;
 * names and sections are those of draft-irtf-cfrg-cpace-21.
 */
import { createHash, randomBytes } from 'node:crypto';
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { bytesToNumberLE } from '@noble/curves/utils.js';
import { TrustError } from './trust-error.ts';

const { Point } = ristretto255;
type Point = InstanceType<typeof Point>;
/** Has the element derivation of RFC 9496, section 4.3.4; the library's type leaves it open for groups that lack it. */
const hasher = ristretto255_hasher as Required<Pick<typeof ristretto255_hasher, 'deriveToCurve'>>;

/** G.DSI and G.DSI_ISK, section 8.3. */
const DSI = Buffer.from('CPaceRistretto255');
const DSI_ISK = Buffer.from('CPaceRistretto255_ISK');
/** H.s_in_bytes, the input block of SHA-512, in bytes. */
const HASH_BLOCK_BYTES = 128;
const SCALAR_BYTES = 32;
/** Clears the bits of a scalar's last byte above G.group_size_bits, 252. */
const LAST_SCALAR_BYTE = 0x0f;

/** An encoded group element, in bytes. */
export const SHARE_BYTES = 32;

/** What both parties know before a run. */
export interface CpaceInputs {
  /** PRS, the password-related string. */
  readonly password: Uint8Array;
  /** CI, what the run is about: runs with different ones never reach the same key. */
  readonly channelIdentifier: Uint8Array;
  /** sid; may be empty. */
  readonly sessionId: Uint8Array;
}

/** A party's message: its share, Y, and what it says along, AD. */
export interface CpaceMessage {
  readonly share: Uint8Array;
  readonly associatedData: Uint8Array;
}

/** One party's secret of one run. */
export interface CpaceSecret {
  /** Y, to be sent. */
  readonly share: Uint8Array;
  /**
   * K, the point that both parties reach.
   *
   * @throws {TrustError} `PAIRING_FAILED` for a share that is no point or leads to the neutral one
   */
  secretPoint(peerShare: Uint8Array): Uint8Array;
}

/**
 * Begins a run: one random scalar, used once.
 *
 * @param random 32 bytes, given by tests only
 */
export function beginCpace(inputs: CpaceInputs, random: Uint8Array = randomBytes(SCALAR_BYTES)): CpaceSecret {
  const scalar = scalarOf(random);
  return {
    share: generator(inputs).multiply(scalar).toBytes(),
    secretPoint: (peerShare) => {
      const point = decode(peerShare).multiply(scalar);
      if (point.is0()) throw badShare();
      return point.toBytes();
    },
  };
}

/** ISK, the common key, which both parties have if they had the same inputs; section 7.2. */
export function sessionKey(
  { sessionId }: CpaceInputs,
  secretPoint: Uint8Array,
  initiator: CpaceMessage,
  responder: CpaceMessage,
): Buffer {
  return hash(
    lengthValues(DSI_ISK, sessionId, secretPoint),
    lengthValues(initiator.share, initiator.associatedData),
    lengthValues(responder.share, responder.associatedData),
  );
}

/** `lv_cat`: each part with its length before it, so that no two lists of parts give the same bytes; appendix A.1. */
export function lengthValues(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => [leb128(part.length), part]));
}

export function hash(...parts: readonly Uint8Array[]): Buffer {
  const digest = createHash('sha512');
  for (const part of parts) digest.update(part);
  return digest.digest();
}

/** `calculate_generator`, section 8.3. */
function generator(inputs: CpaceInputs): Point {
  return hasher.deriveToCurve(hash(generatorString(inputs)));
}

/** `generator_string`, section 7.1: the zeros fill the first block of the hash, apart from what follows. */
function generatorString({ password, channelIdentifier, sessionId }: CpaceInputs): Buffer {
  const before = lengthValues(DSI).length + lengthValues(password).length + 1;
  const zeros = new Uint8Array(Math.max(0, HASH_BLOCK_BYTES - before));
  return lengthValues(DSI, password, zeros, channelIdentifier, sessionId);
}

/** `sample_scalar`, section 8.3. */
function scalarOf(random: Uint8Array): bigint {
  const bytes = Uint8Array.from(random.subarray(0, SCALAR_BYTES));
  bytes[SCALAR_BYTES - 1] = (bytes[SCALAR_BYTES - 1] ?? 0) & LAST_SCALAR_BYTE;
  return bytesToNumberLE(bytes);
}

function decode(share: Uint8Array): Point {
  try {
    const point = Point.fromBytes(Uint8Array.from(share));
    if (!point.is0()) return point;
  } catch {
    // Not the encoding of a point.
  }
  throw badShare();
}

function badShare(): TrustError {
  return new TrustError('PAIRING_FAILED', 'the other side sent a share that is not allowed');
}

function leb128(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return Uint8Array.from(bytes);
}
