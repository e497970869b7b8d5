import { OPTION_REPLY, optionName } from './constants.ts';
import { protocolError } from './nbd-error.ts';
import { encodeOptionReply } from './option-replies.ts';
import { encodeText, readString } from './wire.ts';

/** The metadata context that tells holes and zeros; the only one that the specification defines. */
export const ALLOCATION_CONTEXT = 'base:allocation';

/**
 * Asked for with NBD_OPT_LIST_META_CONTEXT, this namespace has one context: it names the disk. The specification
 * leaves names that start with "x-" to everyone ("Metadata querying").
 */
export const IDENTITY_NAMESPACE = 'x-diskferry:';
const IDENTITY_PREFIX = `${IDENTITY_NAMESPACE}disk:`;

/** The context that names a disk: the same text means the same disk in the same running computer. */
export function identityContext(identity: string): string {
  return IDENTITY_PREFIX + identity;
}

/** The identity in a context's name; undefined for other contexts. */
export function identityOf(context: string): string | undefined {
  return context.startsWith(IDENTITY_PREFIX) ? context.slice(IDENTITY_PREFIX.length) : undefined;
}

/** What NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT ask for. */
export interface MetaContextRequest {
  readonly exportName: string;
  /** Names of contexts, or namespaces with their colon in NBD_OPT_LIST_META_CONTEXT. */
  readonly queries: readonly string[];
}

/** A context as the server names it. */
export interface MetaContext {
  /** Chosen by the server for this connection; 0 in answers to NBD_OPT_LIST_META_CONTEXT. */
  readonly id: number;
  readonly name: string;
}

/** Data of both options: 4 bytes name length, name, 4 bytes count, count times 4 bytes query length and query. */
export function encodeMetaContextRequest({ exportName, queries }: MetaContextRequest): Buffer {
  const count = Buffer.allocUnsafe(4);
  count.writeUInt32BE(queries.length, 0);
  return Buffer.concat([...withLength(exportName), count, ...queries.flatMap(withLength)]);
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeMetaContextRequest(option: number, data: Buffer): MetaContextRequest {
  let at = 0;
  const malformed = (): Error => protocolError(`the data of ${optionName(option)} does not fit its length`);
  const number = (): number => {
    if (at + 4 > data.length) throw malformed();
    at += 4;
    return data.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const start = at + 4;
    const end = start + number();
    if (end > data.length) throw malformed();
    at = end;
    return readString(data, start, end);
  };
  const exportName = text();
  const queries: string[] = [];
  // Each query has at least the 4 bytes of its length, so the data itself is the limit.
  for (let left = number(); left > 0; left--) queries.push(text());
  if (at !== data.length) throw malformed();
  return { exportName, queries };
}

/** Data of NBD_REP_META_CONTEXT: 4 bytes id, name. */
export function encodeMetaContextReply(option: number, { id, name }: MetaContext): Buffer {
  const data = Buffer.concat([Buffer.allocUnsafe(4), encodeText(name)]);
  data.writeUInt32BE(id, 0);
  return encodeOptionReply(option, OPTION_REPLY.META_CONTEXT, data);
}

/** @throws {NbdError} `NBD_PROTOCOL` */
export function decodeMetaContextReply(data: Buffer): MetaContext {
  if (data.length < 4) throw protocolError('a metadata context has no number');
  return { id: data.readUInt32BE(0), name: readString(data, 4) };
}

function withLength(text: string): [Buffer, Buffer] {
  const bytes = encodeText(text);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(bytes.length, 0);
  return [length, bytes];
}
