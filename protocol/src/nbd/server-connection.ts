import type { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
import { ChunkReader } from './chunk-reader.ts';
import { Inflow } from './inflow.ts';
import { LINGER_MS } from './limits.ts';
import { NbdError, protocolError } from './nbd-error.ts';

export interface ServerTls {
  /** From `tls.createSecureContext`. */
  readonly secureContext: SecureContext;
  /** Nothing is told or served before NBD_OPT_STARTTLS. Without it, plain clients are served too. */
  readonly required: boolean;
}

/** The byte stream to a client, which may change into an encrypted one. */
export class ServerConnection {
  readonly #plain: Duplex;
  #stream: Duplex;
  #inflow: Inflow;
  #reader = new ChunkReader();
  #secured: TLSSocket | undefined;
  readonly #onError: (error: Error) => void;

  constructor(stream: Duplex, onError: (error: Error) => void) {
    this.#plain = stream;
    this.#stream = stream;
    this.#onError = onError;
    // Without a listener, an error would end the process.
    stream.on('error', onError);
    // A client may close its side behind its last request, and still gets the answers.
    stream.allowHalfOpen = true;
    this.#inflow = new Inflow(stream);
  }

  get stream(): Duplex {
    return this.#stream;
  }

  get inflow(): Inflow {
    return this.#inflow;
  }

  get reader(): ChunkReader {
    return this.#reader;
  }

  /** The TLS session, if there is one. */
  get secured(): TLSSocket | undefined {
    return this.#secured;
  }

  /**
   * Waits until the stream has taken the bytes, so that a client that reads nothing gets no further answers.
   *
   * @throws {NbdError} `NBD_LOST`; any error of the stream
   */
  send(bytes: Buffer): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve, reject) => {
      // Streams other than sockets forget a write that is under way when they are destroyed.
      const onClose = (): void => reject(new NbdError('NBD_LOST', 'the client went away'));
      stream.once('close', onClose);
      stream.write(bytes, (error) => {
        stream.off('close', onClose);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /**
   * Sends a last plain message and goes on in TLS. The client is asked for a certificate; whoever decides what it may see must
   * look whether there is one (`secured`).
   *
   * @throws {NbdError} `NBD_PROTOCOL` if more has arrived in plain text; `NBD_LOST`
   */
  async secure({ secureContext }: ServerTls, lastPlainMessage: Buffer): Promise<TLSSocket> {
    const plain = this.#plain;
    // Somebody on the way could have put bytes there, to be taken for words of the client that comes with TLS.
    if (!this.#inflow.detach() || !this.#reader.isEmpty) {
      throw protocolError('something was sent behind NBD_OPT_STARTTLS before it was answered');
    }
    plain.write(lastPlainMessage);
    // No waiting before this line: what arrives from now on belongs to TLS.
    const secured = new TLSSocket(plain, {
      isServer: true,
      secureContext,
      requestCert: true,
      rejectUnauthorized: false,
    });
    this.#stream = secured;
    this.#secured = secured;
    this.#reader = new ChunkReader();
    secured.on('error', this.#onError);
    plain.on('close', () => secured.destroy());
    this.#inflow = new Inflow(secured);
    await new Promise<void>((resolve, reject) => {
      const lost = (): void => reject(new NbdError('NBD_LOST', 'the connection ended in the TLS handshake'));
      secured.once('secure', resolve);
      secured.once('end', lost);
      secured.once('close', lost);
    });
    return secured;
  }

  destroy(): void {
    this.#stream.destroy();
    // TLS lets go of the stream below, but does not always end it.
    this.#plain.destroy();
  }

  /**
   * Ends the connection when all that was sent has left; with `linger`, when the client has closed its side, too, if it does
   * so soon.
   */
  async end({ linger }: { readonly linger: boolean }): Promise<void> {
    const stream = this.#stream;
    if (stream.destroyed) return;
    const timer = setTimeout(() => this.destroy(), LINGER_MS);
    const finished = new Promise<void>((resolve) => {
      stream.once('close', resolve);
      stream.end(resolve);
    });
    if (linger) await this.#inflow.discard();
    await finished;
    clearTimeout(timer);
    this.destroy();
  }
}
