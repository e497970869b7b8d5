import { type Inventory, readInventory } from './inventory.ts';
import * as read from './json-shape.ts';

/** Version of the control messages; a peer with another one is refused. */
export const CONTROL_PROTOCOL = 1;
export const PRODUCT = 'diskferry';

/** A message of the client: a whole inventory is a few KB; hundreds of disks fit. Also the limit to give to the WebSocket. */
export const MAX_CONTROL_MESSAGE_BYTES = 1024 * 1024;
/** A message of the server. The client takes them from strangers too, on a computer with little memory. */
export const MAX_SERVER_MESSAGE_BYTES = 16 * 1024;

/** The imaging client's first words on a new connection. */
export interface HelloMessage {
  readonly type: 'hello';
  readonly protocol: number;
  readonly product: string;
  /** Version of the imaging client, such as "0.1.0". */
  readonly version: string;
}

/** Asks what the computer is made of; answered by {@link InventoryMessage}. */
export interface GetInventoryMessage {
  readonly type: 'get-inventory';
  /** Chosen by the side that asks; the answer carries it. */
  readonly id: number;
}

export interface InventoryMessage {
  readonly type: 'inventory';
  readonly id: number;
  readonly inventory: Inventory;
}

/**
 * Begins a pairing: the server's CPace share. Answered by {@link PairShareMessage}; then the server proves that it
 * knows the code, and gets the client's proof by {@link PairedMessage}. All four carry the same id.
 */
export interface PairMessage {
  readonly type: 'pair';
  readonly id: number;
  /** Hexadecimal. */
  readonly share: string;
}

export interface PairShareMessage {
  readonly type: 'pair-share';
  readonly id: number;
  /** Hexadecimal. */
  readonly share: string;
}

export interface ProveMessage {
  readonly type: 'prove';
  readonly id: number;
  /** Hexadecimal. */
  readonly proof: string;
}

/** The client has pinned the server's key. */
export interface PairedMessage {
  readonly type: 'paired';
  readonly id: number;
  /** Hexadecimal. */
  readonly proof: string;
}

/** Asks for the right to write to a disk; answered by {@link GrantedMessage}. */
export interface GrantWriteMessage {
  readonly type: 'grant-write';
  readonly id: number;
  /** The disk's name in the inventory, which is the name of its export. */
  readonly disk: string;
  /** Names the job for programs: who asks again with the same one gets the same grant. */
  readonly job: string;
  /** Says to people in front of the computer what is done; one line. */
  readonly description: string;
}

export interface GrantedMessage {
  readonly type: 'granted';
  readonly id: number;
  /** The name of the export that can be written; nobody else knows it. */
  readonly exportName: string;
}

/** Gives a grant back; answered by {@link GrantEndedMessage}, also if there is none. */
export interface EndGrantMessage {
  readonly type: 'end-grant';
  readonly id: number;
  readonly disk: string;
}

export interface GrantEndedMessage {
  readonly type: 'grant-ended';
  readonly id: number;
}

/** Asks a managed client to dial the server for one NBD session; answered by {@link ChannelOpenedMessage}. */
export interface OpenChannelMessage {
  readonly type: 'open-channel';
  readonly id: number;
  /** Names the session in the path that the client dials. */
  readonly channel: string;
  /** The only export that the session shall see; all of them if absent. */
  readonly disk?: string;
}

/** The client has dialled. */
export interface ChannelOpenedMessage {
  readonly type: 'channel-opened';
  readonly id: number;
}

/** How a computer leaves the secondary OS. */
export const LEAVINGS = ['reboot', 'power-off', 'local-disk', 'kexec'] as const;
export type LeavingWord = (typeof LEAVINGS)[number];

/** Sends the computer out of the secondary OS; answered by {@link LeavingMessage}. */
export interface LeaveMessage {
  readonly type: 'leave';
  readonly id: number;
  readonly how: LeavingWord;
  /** Of `kexec`: words for the kernel that was sent. */
  readonly commandLine?: string;
}

/** The computer is about to leave: the connection ends. */
export interface LeavingMessage {
  readonly type: 'leaving';
  readonly id: number;
}

/** The files that `kexec` starts. */
export const KEXEC_FILES = ['kernel', 'initrd'] as const;
export type KexecFile = (typeof KEXEC_FILES)[number];
/** Of a piece, in bytes: in Base64 it fits into {@link MAX_SERVER_MESSAGE_BYTES}. */
export const MAX_KEXEC_PIECE_BYTES = 11 * 1024;

/** A piece of a kernel or an initrd that shall be started; one at place 0 begins the file anew. Answered by {@link KexecKeptMessage}. */
export interface KexecPieceMessage {
  readonly type: 'kexec-piece';
  readonly id: number;
  readonly file: KexecFile;
  readonly offset: number;
  /** Base64. */
  readonly data: string;
}

export interface KexecKeptMessage {
  readonly type: 'kexec-kept';
  readonly id: number;
}

/** A message could not be understood or answered. */
export interface ErrorMessage {
  readonly type: 'error';
  /** The message that failed, where it had an id. */
  readonly id?: number;
  /** Stable, for programs. */
  readonly code: string;
  /** A sentence for people. */
  readonly message: string;
}

/** What an imaging client says to the server. */
export type ClientMessage =
  | HelloMessage
  | InventoryMessage
  | PairShareMessage
  | PairedMessage
  | GrantedMessage
  | GrantEndedMessage
  | ChannelOpenedMessage
  | LeavingMessage
  | KexecKeptMessage
  | ErrorMessage;
/** What the server says to an imaging client. */
export type ServerMessage =
  | GetInventoryMessage
  | PairMessage
  | ProveMessage
  | GrantWriteMessage
  | EndGrantMessage
  | OpenChannelMessage
  | LeaveMessage
  | KexecPieceMessage
  | ErrorMessage;

export type ControlErrorCode =
  /** Longer than {@link MAX_CONTROL_MESSAGE_BYTES} or {@link MAX_SERVER_MESSAGE_BYTES}. */
  | 'CONTROL_TOO_LARGE'
  /** Not JSON, or a field is wrong. */
  | 'CONTROL_INVALID'
  /** A type that this side does not know: answer it with an error, stay connected. */
  | 'CONTROL_UNKNOWN_TYPE'
  /** The peer is not diskferry or speaks another version of these messages. */
  | 'CONTROL_INCOMPATIBLE';

/** A control message is not right. `id` is that of the message, where it has one, so that it can be answered. */
export class ControlError extends Error {
  readonly code: ControlErrorCode;
  readonly id: number | undefined;

  constructor(
    code: ControlErrorCode,
    message: string,
    { id, cause }: { id?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.name = 'ControlError';
    this.code = code;
    this.id = id;
  }
}

type ReaderOf<M extends { readonly type: string }> = {
  readonly [Type in M['type']]: read.Reader<Extract<M, { readonly type: Type }>>;
};

const readError = read.object<ErrorMessage>({
  type: read.oneOf(['error']),
  id: read.optional(read.count),
  code: read.text,
  message: read.text,
});

const CLIENT_MESSAGES: ReaderOf<ClientMessage> = {
  hello: read.object<HelloMessage>({
    type: read.oneOf(['hello']),
    protocol: read.count,
    product: read.text,
    version: read.text,
  }),
  inventory: read.object<InventoryMessage>({
    type: read.oneOf(['inventory']),
    id: read.count,
    inventory: readInventory,
  }),
  'pair-share': read.object<PairShareMessage>({
    type: read.oneOf(['pair-share']),
    id: read.count,
    share: read.text,
  }),
  paired: read.object<PairedMessage>({ type: read.oneOf(['paired']), id: read.count, proof: read.text }),
  granted: read.object<GrantedMessage>({
    type: read.oneOf(['granted']),
    id: read.count,
    exportName: read.text,
  }),
  'grant-ended': read.object<GrantEndedMessage>({ type: read.oneOf(['grant-ended']), id: read.count }),
  'channel-opened': read.object<ChannelOpenedMessage>({
    type: read.oneOf(['channel-opened']),
    id: read.count,
  }),
  leaving: read.object<LeavingMessage>({ type: read.oneOf(['leaving']), id: read.count }),
  'kexec-kept': read.object<KexecKeptMessage>({ type: read.oneOf(['kexec-kept']), id: read.count }),
  error: readError,
};

const SERVER_MESSAGES: ReaderOf<ServerMessage> = {
  'get-inventory': read.object<GetInventoryMessage>({ type: read.oneOf(['get-inventory']), id: read.count }),
  pair: read.object<PairMessage>({ type: read.oneOf(['pair']), id: read.count, share: read.text }),
  prove: read.object<ProveMessage>({ type: read.oneOf(['prove']), id: read.count, proof: read.text }),
  'grant-write': read.object<GrantWriteMessage>({
    type: read.oneOf(['grant-write']),
    id: read.count,
    disk: read.text,
    job: read.text,
    description: read.text,
  }),
  'end-grant': read.object<EndGrantMessage>({
    type: read.oneOf(['end-grant']),
    id: read.count,
    disk: read.text,
  }),
  'open-channel': read.object<OpenChannelMessage>({
    type: read.oneOf(['open-channel']),
    id: read.count,
    channel: read.text,
    disk: read.optional(read.text),
  }),
  leave: read.object<LeaveMessage>({
    type: read.oneOf(['leave']),
    id: read.count,
    how: read.oneOf(LEAVINGS),
    commandLine: read.optional(read.text),
  }),
  'kexec-piece': read.object<KexecPieceMessage>({
    type: read.oneOf(['kexec-piece']),
    id: read.count,
    file: read.oneOf(KEXEC_FILES),
    offset: read.count,
    data: read.text,
  }),
  error: readError,
};

/**
 * Reads a message that an imaging client sent.
 *
 * @throws {ControlError}
 */
export function parseClientMessage(data: string | Uint8Array): ClientMessage {
  const message = parseMessage<ClientMessage>(data, CLIENT_MESSAGES, MAX_CONTROL_MESSAGE_BYTES);
  if (message.type === 'hello') refuseStranger(message);
  return message;
}

/**
 * Reads a message that the server sent.
 *
 * @throws {ControlError}
 */
export function parseServerMessage(data: string | Uint8Array): ServerMessage {
  return parseMessage<ServerMessage>(data, SERVER_MESSAGES, MAX_SERVER_MESSAGE_BYTES);
}

/** A message of either side as the text of one WebSocket message. */
export function serialiseControlMessage(message: ClientMessage | ServerMessage): string {
  return JSON.stringify(message);
}

/** The first message of an imaging client of that version. */
export function helloMessage(version: string): HelloMessage {
  return { type: 'hello', protocol: CONTROL_PROTOCOL, product: PRODUCT, version };
}

/** The answer to a message that could not be understood. */
export function errorMessage({ id, code, message }: ControlError): ErrorMessage {
  return { type: 'error', ...(id === undefined ? {} : { id }), code, message };
}

function parseMessage<M extends { readonly type: string }>(
  data: string | Uint8Array,
  readers: Readonly<Record<string, read.Reader<M>>>,
  maxBytes: number,
): M {
  const value = parseObject(data, maxBytes);
  const id = Number.isSafeInteger(value['id']) ? (value['id'] as number) : undefined;
  try {
    const type = read.text(value['type'], 'type');
    const reader = Object.hasOwn(readers, type) ? readers[type] : undefined;
    if (reader === undefined) {
      const known = Object.keys(readers).join(', ');
      throw new ControlError(
        'CONTROL_UNKNOWN_TYPE',
        `the control message type "${type.slice(0, 60)}" is not known; known are ${known}`,
        { id },
      );
    }
    return reader(value, type);
  } catch (cause) {
    if (!(cause instanceof read.JsonShapeError)) throw cause;
    throw new ControlError('CONTROL_INVALID', `a control message is wrong: ${cause.message}`, { id, cause });
  }
}

function parseObject(data: string | Uint8Array, maxBytes: number): Readonly<Record<string, unknown>> {
  const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
  if (bytes > maxBytes) {
    throw new ControlError(
      'CONTROL_TOO_LARGE',
      `a control message has ${bytes} bytes; at most ${maxBytes} are allowed`,
    );
  }
  try {
    const json = typeof data === 'string' ? data : new TextDecoder('utf-8', { fatal: true }).decode(data);
    return read.asObject(JSON.parse(json), 'a control message');
  } catch (cause) {
    const why =
      cause instanceof read.JsonShapeError ? cause.message : 'a control message is not JSON in UTF-8';
    throw new ControlError('CONTROL_INVALID', why, { cause });
  }
}

function refuseStranger({ product, protocol, version }: HelloMessage): void {
  if (product !== PRODUCT) {
    throw new ControlError(
      'CONTROL_INCOMPATIBLE',
      `the other side is not an imaging client of ${PRODUCT} but calls itself "${product.slice(0, 60)}"; check host and port`,
    );
  }
  if (protocol !== CONTROL_PROTOCOL) {
    throw new ControlError(
      'CONTROL_INCOMPATIBLE',
      `the imaging client (version ${version.slice(0, 60)}) speaks version ${protocol} of the control messages and ` +
        `this server version ${CONTROL_PROTOCOL}; boot the computer from media of the server's version`,
    );
  }
}
