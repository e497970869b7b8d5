import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  beginCpace,
  type CpaceInputs,
  type CpaceMessage,
  hash,
  lengthValues,
  sessionKey,
  SHARE_BYTES,
} from './cpace.ts';
import { normalisePairingCode } from './pairing-code.ts';
import { TrustError } from './trust-error.ts';

/**
 * The TLS session in which a pairing takes place. Who stands in between has a session to either side: other keys, other
 * exporters, so both sides run CPace about different things and cannot reach the same key.
 */
export interface PairingChannel {
  /** Fingerprint of the imaging server's key. */
  readonly server: string;
  /** Fingerprint of the imaging client's key. */
  readonly client: string;
  /** See `channelExporter`. */
  readonly exporter: Uint8Array;
}

const LABEL = Buffer.from('diskferry pairing 1');
const MAC_LABEL = Buffer.from('CPaceMac');
/** Different, so that the proof of one side is never that of the other. */
const SERVER_DATA = Buffer.from('server');
const CLIENT_DATA = Buffer.from('client');

/** Bytes of a proof. */
const PROOF_BYTES = 64;

/**
 * The imaging server's side, which begins. Order of messages: its share, the client's share, its proof, the client's proof.
 * An object serves one try.
 */
export class PairingServer {
  readonly #inputs: CpaceInputs;
  readonly #secret;
  #expected: Buffer | undefined;

  /** @throws {TrustError} `PAIRING_FAILED` for what cannot be a code */
  constructor(code: string, channel: PairingChannel) {
    this.#inputs = inputsOf(code, channel);
    this.#secret = beginCpace(this.#inputs);
  }

  get share(): Uint8Array {
    return this.#secret.share;
  }

  /**
   * Takes the client's share; returns the proof to send.
   *
   * @throws {TrustError} `PAIRING_FAILED`
   */
  prove(clientShare: Uint8Array): Uint8Array {
    const key = keyOf(
      this.#inputs,
      this.#secret.secretPoint(checkShare(clientShare)),
      this.share,
      clientShare,
    );
    this.#expected = key.clientProof;
    return key.serverProof;
  }

  /**
   * Checks that the client knows the code.
   *
   * @throws {TrustError} `PAIRING_FAILED`
   */
  verify(clientProof: Uint8Array): void {
    checkProof(clientProof, this.#expected);
  }
}

/** The imaging client's side; an object serves one try. */
export class PairingClient {
  readonly #inputs: CpaceInputs;
  #proofs: Proofs | undefined;

  constructor(code: string, channel: PairingChannel) {
    this.#inputs = inputsOf(code, channel);
  }

  /**
   * Takes the server's share; returns the own one to send.
   *
   * @throws {TrustError} `PAIRING_FAILED`
   */
  answer(serverShare: Uint8Array): Uint8Array {
    const secret = beginCpace(this.#inputs);
    this.#proofs = keyOf(
      this.#inputs,
      secret.secretPoint(checkShare(serverShare)),
      serverShare,
      secret.share,
    );
    return secret.share;
  }

  /**
   * Checks that the server knows the code; returns the own proof, which only such a server gets to see.
   *
   * @throws {TrustError} `PAIRING_FAILED`
   */
  verify(serverProof: Uint8Array): Uint8Array {
    checkProof(serverProof, this.#proofs?.serverProof);
    return (this.#proofs as Proofs).clientProof;
  }
}

interface Proofs {
  readonly serverProof: Buffer;
  readonly clientProof: Buffer;
}

function inputsOf(code: string, { server, client, exporter }: PairingChannel): CpaceInputs {
  const password = normalisePairingCode(code);
  if (password === undefined) {
    throw new TrustError('PAIRING_FAILED', `"${code}" is not a pairing code, which has 8 letters and digits`);
  }
  return {
    password: Buffer.from(password),
    channelIdentifier: lengthValues(LABEL, Buffer.from(server), Buffer.from(client), exporter),
    // The exporter, which is new for every session, and the random shares make each run unlike all others.
    sessionId: Buffer.alloc(0),
  };
}

/** Key confirmation: each side's MAC over the message that it has sent, section "Key confirmation" of the draft. */
function keyOf(
  inputs: CpaceInputs,
  secretPoint: Uint8Array,
  serverShare: Uint8Array,
  clientShare: Uint8Array,
): Proofs {
  const server: CpaceMessage = { share: serverShare, associatedData: SERVER_DATA };
  const client: CpaceMessage = { share: clientShare, associatedData: CLIENT_DATA };
  const key = hash(MAC_LABEL, inputs.sessionId, sessionKey(inputs, secretPoint, server, client));
  const proofOf = ({ share, associatedData }: CpaceMessage): Buffer =>
    createHmac('sha512', key).update(lengthValues(share, associatedData)).digest();
  return { serverProof: proofOf(server), clientProof: proofOf(client) };
}

function checkShare(share: Uint8Array): Uint8Array {
  if (share.length === SHARE_BYTES) return share;
  throw new TrustError('PAIRING_FAILED', `a share of ${share.length} bytes is not allowed`);
}

function checkProof(proof: Uint8Array, expected: Buffer | undefined): void {
  const isRight = expected !== undefined && proof.length === PROOF_BYTES && timingSafeEqual(proof, expected);
  if (isRight) return;
  throw new TrustError('PAIRING_FAILED', 'the pairing code is wrong, or somebody stands in between');
}
