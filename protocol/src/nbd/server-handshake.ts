import type { Duplex } from 'node:stream';
import { debuglog } from 'node:util';
import type { ChunkReader } from './chunk-reader.ts';
import { CLIENT_FLAG, HANDSHAKE_FLAG, INFO, OPTION, OPTION_REPLY, optionName } from './constants.ts';
import { encodeGreeting } from './handshake.ts';
import { MAX_OPTION_BYTES, MAX_OPTIONS } from './limits.ts';
import { NbdError, protocolError } from './nbd-error.ts';
import { OptionDecoder } from './option-decoder.ts';
import {
  encodeErrorReply,
  encodeExportNameReply,
  encodeInfoReply,
  encodeOptionReply,
  encodeServerReply,
} from './option-replies.ts';
import { decodeInfoRequest, type InfoRequest } from './options.ts';
import type { Agreement } from './request-refusal.ts';
import { type ServedExport, servedExport, transmissionFlags } from './served-export.ts';
import type { Admission, ExportCatalog } from './export-catalog.ts';
import { readString } from './wire.ts';

const debug = debuglog('diskferry:nbd');

/** "/dev/sda" is accepted for "sda"; in nbd://HOST/dev/sda the first slash belongs to the URI. */
const DEVICE_FOLDER = /^\/?dev\//;

export interface HandshakeContext {
  readonly stream: Duplex;
  readonly chunks: AsyncIterator<Uint8Array, unknown>;
  readonly reader: ChunkReader;
  readonly admit: () => Admission;
  readonly multiConnection: boolean;
}

/** The export that a client chose, and what it agreed to. */
export interface Chosen {
  readonly served: ServedExport;
  readonly agreement: Agreement;
}

/** What the options of a connection have brought about so far. */
interface Negotiation extends HandshakeContext {
  structured: boolean;
  noZeroes: boolean;
}

/** What follows an option. */
type Outcome = 'next option' | 'end' | Chosen;

/**
 * Greets a client and answers its options until it has chosen an export; undefined if it goes away instead.
 *
 * @throws {NbdError} `NBD_PROTOCOL`; any error of the stream
 */
export async function negotiate(context: HandshakeContext): Promise<Chosen | undefined> {
  const { stream, chunks, reader } = context;
  const negotiation: Negotiation = { ...context, structured: false, noZeroes: false };
  await send(stream, encodeGreeting(HANDSHAKE_FLAG.FIXED_NEWSTYLE | HANDSHAKE_FLAG.NO_ZEROES));
  const decoder = new OptionDecoder(reader);
  for (let options = 0; options <= MAX_OPTIONS; ) {
    const event = decoder.next();
    if (event === undefined) {
      const { done, value } = await chunks.next();
      if (done === true) return undefined;
      decoder.push(value);
    } else if (event.kind === 'client-flags') {
      negotiation.noZeroes = (event.flags & CLIENT_FLAG.NO_ZEROES) !== 0;
    } else {
      options++;
      const outcome =
        event.kind === 'option'
          ? await answerOption(negotiation, event.option, event.data)
          : await refuseOversized(negotiation, event.option, event.length);
      if (outcome === 'end') return undefined;
      if (outcome !== 'next option') return outcome;
    }
  }
  throw protocolError(`more than ${MAX_OPTIONS} options without choosing an export`);
}

async function answerOption(negotiation: Negotiation, option: number, data: Buffer): Promise<Outcome> {
  const { stream } = negotiation;
  debug('%s', optionName(option));
  switch (option) {
    case OPTION.EXPORT_NAME:
      return enterByExportName(negotiation, data);
    case OPTION.ABORT:
      await send(stream, encodeOptionReply(option, OPTION_REPLY.ACK));
      return 'end';
    case OPTION.LIST:
      if (data.length > 0) return refuse(stream, option, OPTION_REPLY.ERR_INVALID, 'it takes no data');
      return listExports(negotiation);
    case OPTION.INFO:
    case OPTION.GO:
      return describeExport(negotiation, option, data);
    case OPTION.STRUCTURED_REPLY:
      if (data.length > 0) return refuse(stream, option, OPTION_REPLY.ERR_INVALID, 'it takes no data');
      negotiation.structured = true;
      await send(stream, encodeOptionReply(option, OPTION_REPLY.ACK));
      return 'next option';
    // NBD_OPT_STARTTLS belongs here: answer it, wrap the stream, and begin a new OptionDecoder on what it decrypts.
    default:
      return refuse(stream, option, OPTION_REPLY.ERR_UNSUP, 'this server does not know the option');
  }
}

/** NBD_OPT_EXPORT_NAME cannot be refused but by hanging up. */
async function enterByExportName(negotiation: Negotiation, data: Buffer): Promise<Outcome> {
  const { structured, multiConnection, noZeroes, stream } = negotiation;
  const name = readString(data);
  const served = await openExport(catalogOf(negotiation), name);
  if (served === undefined) throw new NbdError('NBD_UNKNOWN_EXPORT', `there is no export "${name}"`);
  const flags = transmissionFlags(served, { structured, multiConnection });
  return enter(served, { structured, blockSizes: false }, () =>
    send(stream, encodeExportNameReply(served.size, flags, noZeroes)),
  );
}

async function listExports({ stream, admit }: Negotiation): Promise<Outcome> {
  const entries = await attempt(() => catalogOf({ admit }).list());
  if (entries instanceof Error) {
    return refuse(stream, OPTION.LIST, OPTION_REPLY.ERR_PLATFORM, entries.message);
  }
  for (const entry of entries) await send(stream, encodeServerReply(OPTION.LIST, entry));
  await send(stream, encodeOptionReply(OPTION.LIST, OPTION_REPLY.ACK));
  return 'next option';
}

/** NBD_OPT_INFO and NBD_OPT_GO, which differ in what happens after the same answer. */
async function describeExport(negotiation: Negotiation, option: number, data: Buffer): Promise<Outcome> {
  const { stream } = negotiation;
  const request = await attempt(async () => decodeInfoRequest(option, data));
  if (request instanceof Error) return refuse(stream, option, OPTION_REPLY.ERR_INVALID, request.message);
  const served = await attempt(() => openExport(catalogOf(negotiation), request.exportName));
  if (served === undefined) {
    const message = `there is no export "${request.exportName}"`;
    return refuse(stream, option, OPTION_REPLY.ERR_UNKNOWN, message);
  }
  if (served instanceof Error) return refuse(stream, option, OPTION_REPLY.ERR_PLATFORM, served.message);

  const agreement = {
    structured: negotiation.structured,
    blockSizes: request.infos.includes(INFO.BLOCK_SIZE),
  };
  const chosen = await enter(served, agreement, async () => {
    for (const reply of infoReplies(negotiation, option, request, served)) await send(stream, reply);
    await send(stream, encodeOptionReply(option, OPTION_REPLY.ACK));
  });
  if (option === OPTION.GO) return chosen;
  await served.disk.close();
  return 'next option';
}

function infoReplies(
  { structured, multiConnection }: Negotiation,
  option: number,
  { infos }: InfoRequest,
  served: ServedExport,
): Buffer[] {
  const { name, description, size, blockSizes } = served;
  const flags = transmissionFlags(served, { structured, multiConnection });
  return [
    encodeInfoReply(option, { type: INFO.EXPORT, size, flags }),
    ...(infos.includes(INFO.NAME) ? [encodeInfoReply(option, { type: INFO.NAME, name })] : []),
    ...(infos.includes(INFO.DESCRIPTION)
      ? [encodeInfoReply(option, { type: INFO.DESCRIPTION, description })]
      : []),
    ...(infos.includes(INFO.BLOCK_SIZE)
      ? [encodeInfoReply(option, { type: INFO.BLOCK_SIZE, ...blockSizes })]
      : []),
  ];
}

/** From here on the disk is open: it is closed again if the answer cannot be sent. */
async function enter(
  served: ServedExport,
  agreement: Agreement,
  answer: () => Promise<void>,
): Promise<Chosen> {
  try {
    await answer();
    return { served, agreement };
  } catch (error) {
    await served.disk.close();
    throw error;
  }
}

function catalogOf({ admit }: Pick<Negotiation, 'admit'>): ExportCatalog {
  const admission = admit();
  if ('refusal' in admission) throw new NbdError('NBD_REFUSED', admission.refusal);
  return admission.catalog;
}

async function openExport(catalog: ExportCatalog, wanted: string): Promise<ServedExport | undefined> {
  const entries = await catalog.list();
  const [only] = entries;
  const found =
    entries.find(({ name }) => name === wanted) ??
    (wanted === '' && entries.length === 1 ? only : undefined) ??
    entries.find(({ name }) => wanted.replace(DEVICE_FOLDER, '') === name);
  const name = found?.name ?? wanted;
  const disk = await catalog.open(name);
  return disk === undefined ? undefined : servedExport(name, found?.description ?? '', disk);
}

function refuseOversized({ stream }: Negotiation, option: number, length: number): Promise<Outcome> {
  const message = `${optionName(option)} with ${length} bytes; at most ${MAX_OPTION_BYTES} are accepted`;
  return refuse(stream, option, OPTION_REPLY.ERR_TOO_BIG, message);
}

async function refuse(stream: Duplex, option: number, type: number, message: string): Promise<Outcome> {
  debug('%s refused: %s', optionName(option), message);
  await send(stream, encodeErrorReply(option, type, message));
  return 'next option';
}

/** What the catalog throws is told to the client, and ends neither the connection nor the process. */
async function attempt<T>(action: () => Promise<T>): Promise<T | Error> {
  try {
    return await action();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Waits until the stream has taken the bytes, so that a client that reads nothing gets no further answers. */
function send(stream: Duplex, bytes: Buffer): Promise<void> {
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
