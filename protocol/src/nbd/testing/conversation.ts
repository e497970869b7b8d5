import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Disk } from '../../disk.ts';
import { COMMAND, INFO, OPTION, OPTION_REPLY } from '../constants.ts';
import type { ExportCatalog } from '../export-catalog.ts';
import { encodeClientFlags } from '../handshake.ts';
import { encodeMetaContextRequest } from '../meta-contexts.ts';
import { decodeOptionReplyHeader, type OptionReply } from '../option-replies.ts';
import { encodeInfoRequest, encodeOption } from '../options.ts';
import { decodeChunkHeader, decodeErrorPayload, decodeExtendedChunkHeader } from '../replies.ts';
import { encodeExtendedRequest, encodeRequest, type Request } from '../requests.ts';
import type { ServeOptions } from '../server.ts';
import { toHex } from './hex.ts';
import { RawClient } from './raw-client.ts';
import { catalogOf, pattern, serveInMemory } from './server-setup.ts';

/** What a server says first: fixed newstyle, no zeroes. */
export const GREETING = '4e42444d4147494349484156454f50540003';

export interface Conversation {
  readonly client: RawClient;
  /** Settles when the server has done with the connection. */
  readonly ended: Promise<void>;
}

/** Connects, and gets through the greeting. */
export async function greet(
  t: TestContext,
  catalog: ExportCatalog,
  { flags = 3, ...options }: ServeOptions & { flags?: number } = {},
): Promise<Conversation> {
  const { stream, ended } = serveInMemory(catalog, options);
  const client = new RawClient(stream);
  t.after(async () => {
    client.hangUp();
    await ended;
  });
  assert.equal(toHex(await client.receive(18)), GREETING);
  client.send(encodeClientFlags(flags));
  return { client, ended };
}

export async function optionReply(client: RawClient): Promise<OptionReply> {
  const { option, type, length } = decodeOptionReplyHeader(await client.receive(20));
  return { option, type, data: await client.receive(length) };
}

/** All replies to an option, up to the last. */
export async function optionReplies(client: RawClient): Promise<OptionReply[]> {
  const all: OptionReply[] = [];
  for (;;) {
    const next = await optionReply(client);
    all.push(next);
    if (next.type === OPTION_REPLY.ACK || next.type >= OPTION_REPLY.ERR_UNSUP) return all;
  }
}

/** Sends an option that the server must accept; the replies before the acknowledgement. */
export async function agree(client: RawClient, option: number, data?: Uint8Array): Promise<OptionReply[]> {
  client.send(encodeOption(option, data));
  const replies = await optionReplies(client);
  assert.equal(replies.at(-1)?.type, OPTION_REPLY.ACK, replies.at(-1)?.data.toString() ?? '');
  return replies.slice(0, -1);
}

export const go = (exportName: string, infos: readonly number[] = [], option: number = OPTION.GO): Buffer =>
  encodeOption(option, encodeInfoRequest({ exportName, infos }));

export interface EnterOptions extends ServeOptions {
  readonly structured?: boolean;
  readonly extended?: boolean;
  readonly blockSizes?: boolean;
  /** Metadata contexts to select. */
  readonly contexts?: readonly string[];
}

/** Goes into the transmission phase on one disk. */
export async function enter(
  t: TestContext,
  disk: Disk,
  { structured = false, extended = false, blockSizes = false, contexts = [], ...options }: EnterOptions = {},
): Promise<Conversation> {
  const conversation = await greet(t, catalogOf({ sda: disk }), options);
  const { client } = conversation;
  if (structured) await agree(client, OPTION.STRUCTURED_REPLY);
  if (extended) await agree(client, OPTION.EXTENDED_HEADERS);
  if (contexts.length > 0) {
    const data = encodeMetaContextRequest({ exportName: 'sda', queries: contexts });
    await agree(client, OPTION.SET_META_CONTEXT, data);
  }
  client.send(go('sda', blockSizes ? [INFO.BLOCK_SIZE] : []));
  assert.equal((await optionReplies(client)).at(-1)?.type, OPTION_REPLY.ACK);
  return conversation;
}

export const request = (fields: Partial<Request>): Buffer =>
  encodeRequest({ flags: 0, type: COMMAND.READ, cookie: 1n, offset: 0, length: 0, ...fields });

export const extendedRequest = (fields: Partial<Request>): Buffer =>
  encodeExtendedRequest({ flags: 0, type: COMMAND.READ, cookie: 1n, offset: 0, length: 0, ...fields });

/** The error of the next simple reply, and its cookie. */
export async function simpleReply(client: RawClient): Promise<{ error: number; cookie: bigint }> {
  const bytes = await client.receive(16);
  assert.equal(toHex(bytes.subarray(0, 4)), '67446698');
  return { error: bytes.readUInt32BE(4), cookie: bytes.readBigUInt64BE(8) };
}

export interface Chunk {
  readonly type: number;
  /** 1 if it is the last. */
  readonly flags: number;
  readonly cookie: bigint;
  readonly payload: Buffer;
}

/** The next chunk of a structured reply. */
export async function chunk(client: RawClient): Promise<Chunk> {
  const bytes = await client.receive(20);
  assert.equal(toHex(bytes.subarray(0, 4)), '668e33ef');
  const { type, flags, cookie, length } = decodeChunkHeader(bytes);
  return { type, flags, cookie, payload: await client.receive(length) };
}

/** The next chunk of an extended reply. */
export async function extendedChunk(client: RawClient): Promise<Chunk & { requestOffset: number }> {
  const bytes = await client.receive(32);
  assert.equal(toHex(bytes.subarray(0, 4)), '6e8a278c');
  const { type, flags, cookie, length, requestOffset } = decodeExtendedChunkHeader(bytes);
  return { type, flags, cookie, requestOffset, payload: await client.receive(length) };
}

/** The error in a chunk. */
export function errorIn({ type, payload }: Chunk): number {
  return decodeErrorPayload(type, payload).error;
}

/** That the connection is usable: a read of the first sector, with simple replies, succeeds. */
export async function assertUsable(client: RawClient): Promise<void> {
  client.send(request({ cookie: 77n, length: 512 }));
  assert.deepEqual(await simpleReply(client), { error: 0, cookie: 77n });
  assert.deepEqual(await client.receive(512), Buffer.from(pattern(512)));
}
