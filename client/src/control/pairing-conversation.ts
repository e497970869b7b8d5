import type { TLSSocket } from 'node:tls';
import type { ClientMessage, PairMessage, ProveMessage } from '@diskferry/protocol/control';
import { channelExporter, peerFingerprint } from '@diskferry/trust/secure-context';
import { TrustError } from '@diskferry/trust/trust-error';
import type { Pairing, PeerConnection } from '../access/access.ts';
import type { PairingTry } from '../access/pairing-desk.ts';
import { AccessError } from '../access/peer.ts';

/** The pairing messages of one control connection, which has one try at a time. */
export class PairingConversation {
  readonly #pairing: Pairing | undefined;
  readonly #connection: PeerConnection;
  #current: { readonly id: number; readonly attempt: PairingTry } | undefined;

  constructor(pairing: Pairing | undefined, connection: PeerConnection) {
    this.#pairing = pairing;
    this.#connection = connection;
  }

  /** @throws {AccessError} `PAIRING_UNAVAILABLE`, `PAIRING_DELAYED`; {TrustError} `PAIRING_FAILED` */
  async begin({ id, share }: PairMessage): Promise<ClientMessage> {
    this.#current = undefined;
    const { pairing, secured, server } = this.#terms();
    const attempt = await pairing.desk.begin({
      server,
      client: pairing.fingerprint,
      exporter: channelExporter(secured),
    });
    const answer = attempt.answer(fromHex(share));
    this.#current = { id, attempt };
    return { type: 'pair-share', id, share: toHex(answer) };
  }

  /** @throws {AccessError} `PAIRING_UNAVAILABLE`; {TrustError} `PAIRING_FAILED` */
  conclude({ id, proof }: ProveMessage): ClientMessage {
    const { pairing, server } = this.#terms();
    const current = this.#current;
    this.#current = undefined;
    if (current?.id !== id) {
      throw new TrustError('PAIRING_FAILED', 'a proof belongs to no try that is under way');
    }
    const answer = current.attempt.verify(fromHex(proof));
    // Before the answer leaves, so that the server's next connection is let in.
    pairing.servers.add({ fingerprint: server, address: this.#connection.address });
    return { type: 'paired', id, proof: toHex(answer) };
  }

  #terms(): { readonly pairing: Pairing; readonly secured: TLSSocket; readonly server: string } {
    const { secured } = this.#connection;
    if (this.#pairing === undefined || secured === undefined) {
      throw new AccessError('PAIRING_UNAVAILABLE', 'pairing is not used here; connect without --pair');
    }
    const server = peerFingerprint(secured);
    if (server === undefined) {
      throw new AccessError(
        'PAIRING_UNAVAILABLE',
        'pairing needs a certificate of the server, which showed none',
      );
    }
    return { pairing: this.#pairing, secured, server };
  }
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function fromHex(text: string): Uint8Array {
  if (/^([0-9a-f]{2})*$/i.test(text)) return Buffer.from(text, 'hex');
  throw new TrustError('PAIRING_FAILED', 'a share or proof is not hexadecimal');
}
