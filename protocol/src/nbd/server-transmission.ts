import type { Duplex } from 'node:stream';
import { debuglog } from 'node:util';
import { BufferPool, HEADROOM_BYTES } from './buffer-pool.ts';
import type { ChunkReader } from './chunk-reader.ts';
import { COMMAND, COMMAND_FLAG, commandName } from './constants.ts';
import { errorNumberOf } from './errno.ts';
import {
  CHUNK_HEADER_BYTES,
  DATA_OFFSET_BYTES,
  encodeErrorChunk,
  encodeSimpleReply,
  type ReplyError,
  SIMPLE_REPLY_BYTES,
  writeDataChunk,
  writeSimpleReply,
} from './replies.ts';
import { RequestDecoder } from './request-decoder.ts';
import { refusalOf } from './request-refusal.ts';
import type { Request } from './requests.ts';
import type { Chosen } from './server-handshake.ts';

const debug = debuglog('diskferry:nbd');

export interface TransmissionContext {
  readonly stream: Duplex;
  readonly chunks: AsyncIterator<Uint8Array, unknown>;
  readonly reader: ChunkReader;
  readonly chosen: Chosen;
  readonly limits: { readonly maxRequestsInFlight: number; readonly maxBytesInFlight: number };
}

/** One connection's requests: taken in order, carried out side by side, answered as they are done. */
export class Transmission {
  readonly #context: TransmissionContext;
  readonly #decoder: RequestDecoder;
  readonly #pool: BufferPool;
  /** Not answered yet; an answer counts when it has left. */
  #requestsInFlight = 0;
  #bytesInFlight = 0;
  /** With the disk at this moment. */
  #requestsAtDisk = 0;
  #onChange: (() => void) | undefined;
  /** A WRITE whose data is on its way into the buffer. */
  #arriving: { readonly request: Request; readonly buffer: Buffer } | undefined;

  constructor(context: TransmissionContext) {
    this.#context = context;
    this.#decoder = new RequestDecoder(context.reader);
    this.#pool = new BufferPool({ maxRetainedBytes: context.limits.maxBytesInFlight });
    // Answers that wait for a broken stream never leave.
    context.stream.on('close', () => this.#onChange?.());
  }

  /**
   * Serves until the client disconnects and all its requests have been carried out.
   *
   * @throws {NbdError} `NBD_PROTOCOL`; any error of the stream
   */
  async run(): Promise<void> {
    const { chunks } = this.#context;
    for (;;) {
      const event = this.#decoder.next();
      if (event === undefined) {
        const { done, value } = await chunks.next();
        if (done === true) break;
        this.#decoder.push(value);
      } else if (event.kind === 'payload') {
        this.#startWrite();
      } else if (event.request.type === COMMAND.DISC) {
        break;
      } else {
        await this.#start(event.request);
      }
    }
    await this.#diskIdle();
  }

  /** Waits for the requests that are still under way, and closes the disk. Never rejects. */
  async finish(): Promise<void> {
    await this.#diskIdle();
    const { name, disk } = this.#context.chosen.served;
    await disk.close().catch((error: unknown) => debug('closing %s: %s', name, error));
  }

  async #start(request: Request): Promise<void> {
    const { served, agreement } = this.#context.chosen;
    const refusal = refusalOf(request, served, agreement);
    const carriesData = request.type === COMMAND.READ || request.type === COMMAND.WRITE;
    const bytes = refusal === undefined && carriesData ? request.length : 0;
    // The data of a WRITE must be dealt with even if the client is made to wait.
    if (refusal !== undefined && request.type === COMMAND.WRITE) this.#decoder.skipPayload();
    while (this.#isFull(bytes)) await this.#change();
    this.#requestsInFlight++;
    this.#bytesInFlight += bytes;

    if (refusal !== undefined) {
      this.#answerError(request, 0, refusal);
    } else if (request.type === COMMAND.READ) {
      void this.#read(request);
    } else if (request.type === COMMAND.WRITE) {
      const buffer = this.#pool.take(request.length);
      this.#arriving = { request, buffer };
      this.#decoder.receivePayload(buffer.subarray(HEADROOM_BYTES, HEADROOM_BYTES + request.length));
    } else {
      void this.#carryOut(request);
    }
  }

  /** One request larger than all that is allowed is served alone. */
  #isFull(bytes: number): boolean {
    const { stream, limits } = this.#context;
    const { maxRequestsInFlight, maxBytesInFlight } = limits;
    if (stream.destroyed) return false;
    return (
      this.#requestsInFlight >= maxRequestsInFlight ||
      (this.#bytesInFlight > 0 && this.#bytesInFlight + bytes > maxBytesInFlight)
    );
  }

  async #read(request: Request): Promise<void> {
    const { stream, chosen } = this.#context;
    const { disk, blockSizes } = chosen.served;
    const { cookie, offset, length } = request;
    // Clients that do not know the block sizes may read anything: read whole sectors, answer with the part.
    const before = offset % blockSizes.minimum;
    const after = (blockSizes.minimum - ((before + length) % blockSizes.minimum)) % blockSizes.minimum;
    const buffer = this.#pool.take(before + length + after);
    const start = HEADROOM_BYTES + before;
    this.#requestsAtDisk++;
    try {
      await disk.read(offset - before, buffer.subarray(HEADROOM_BYTES, start + length + after));
    } catch (error) {
      this.#pool.give(buffer);
      this.#answerError(request, length, describeError(error));
      return;
    } finally {
      this.#leaveDisk();
    }
    let header: number;
    if (chosen.agreement.structured) {
      header = CHUNK_HEADER_BYTES + DATA_OFFSET_BYTES;
      writeDataChunk(buffer, start - header, { cookie, offset, length });
    } else {
      header = SIMPLE_REPLY_BYTES;
      writeSimpleReply(buffer, start - header, cookie, 0);
    }
    stream.write(buffer.subarray(start - header, start + length), () => {
      this.#pool.give(buffer);
      this.#release(length);
    });
  }

  #startWrite(): void {
    const arrived = this.#arriving;
    if (arrived === undefined) throw new TypeError('data without a WRITE');
    this.#arriving = undefined;
    void this.#write(arrived.request, arrived.buffer);
  }

  async #write(request: Request, buffer: Buffer): Promise<void> {
    const { offset, length, flags } = request;
    const data = buffer.subarray(HEADROOM_BYTES, HEADROOM_BYTES + length);
    this.#requestsAtDisk++;
    try {
      await this.#context.chosen.served.disk.write(offset, data, { fua: (flags & COMMAND_FLAG.FUA) !== 0 });
      this.#answer(encodeSimpleReply(request.cookie, 0), length);
    } catch (error) {
      this.#answerError(request, length, describeError(error));
    } finally {
      this.#leaveDisk();
      this.#pool.give(buffer);
    }
  }

  /** The requests without a payload. */
  async #carryOut(request: Request): Promise<void> {
    this.#requestsAtDisk++;
    try {
      await this.#command(request);
      this.#answer(encodeSimpleReply(request.cookie, 0), 0);
    } catch (error) {
      this.#answerError(request, 0, describeError(error));
    } finally {
      this.#leaveDisk();
    }
  }

  async #command({ type, flags, offset, length }: Request): Promise<void> {
    const { disk } = this.#context.chosen.served;
    switch (type) {
      case COMMAND.FLUSH:
        if (!disk.readOnly) await disk.flush();
        return;
      case COMMAND.TRIM:
        await disk.discard(offset, length);
        break;
      case COMMAND.WRITE_ZEROES:
        await disk.writeZeroes(offset, length, { mayPunch: (flags & COMMAND_FLAG.NO_HOLE) === 0 });
        break;
      case COMMAND.CACHE:
        // A hint that a client may give: success is the right answer of a server that has no use for it.
        return;
      default:
        throw new TypeError(`${commandName(type)} has passed the refusals but is not carried out`);
    }
    if ((flags & COMMAND_FLAG.FUA) !== 0) await disk.flush();
  }

  #answerError({ type, cookie, offset, length }: Request, bytes: number, error: ReplyError): void {
    debug('%s of %d bytes at %d failed: %s', commandName(type), length, offset, error.message);
    const { structured } = this.#context.chosen.agreement;
    this.#answer(
      structured ? encodeErrorChunk(cookie, error) : encodeSimpleReply(cookie, error.error),
      bytes,
    );
  }

  /** A request counts as under way until its answer has left, so that a client that reads nothing is made to wait. */
  #answer(reply: Buffer, bytes: number): void {
    this.#context.stream.write(reply, () => this.#release(bytes));
  }

  #release(bytes: number): void {
    this.#requestsInFlight--;
    this.#bytesInFlight -= bytes;
    this.#onChange?.();
  }

  #leaveDisk(): void {
    this.#requestsAtDisk--;
    this.#onChange?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve;
    });
  }

  async #diskIdle(): Promise<void> {
    while (this.#requestsAtDisk > 0) await this.#change();
  }
}

function describeError(error: unknown): ReplyError {
  return { error: errorNumberOf(error), message: error instanceof Error ? error.message : String(error) };
}
