import { INFO, OPTION, OPTION_REPLY } from './constants.ts';
import { type ExportCatalog, type ExportEntry, type Admission, ExportRefusal } from './export-catalog.ts';
import {
  ALLOCATION_CONTEXT,
  decodeMetaContextRequest,
  encodeMetaContextReply,
  IDENTITY_NAMESPACE,
  identityContext,
  type MetaContext,
} from './meta-contexts.ts';
import { NbdError } from './nbd-error.ts';
import { encodeInfoReply, encodeServerReply } from './option-replies.ts';
import { decodeInfoRequest, type InfoRequest } from './options.ts';
import type { ReplyStyle } from './reply-format.ts';
import { type ServedExport, servedExport, transmissionFlags } from './served-export.ts';

/** What the options of a connection have brought about so far. Forgotten when TLS begins. */
export interface Negotiation {
  readonly admit: () => Admission;
  readonly multiConnection: boolean;
  replies: ReplyStyle;
  /** What NBD_OPT_SET_META_CONTEXT selected, for one export. */
  selection: { readonly exportName: string; readonly contexts: readonly MetaContext[] } | undefined;
}

/** An option is not carried out, for a reason that the client is told. */
export class OptionRefusal extends Error {
  /** An error of {@link OPTION_REPLY}. */
  readonly type: number;

  constructor(type: number, message: string) {
    super(message);
    this.name = 'OptionRefusal';
    this.type = type;
  }
}

/** "/dev/sda" is accepted for "sda"; in nbd://HOST/dev/sda the first slash belongs to the URI. */
const DEVICE_FOLDER = /^\/?dev\//;
const BASE_NAMESPACE = 'base:';

/** The answer to NBD_OPT_LIST, without the acknowledgement. */
export async function listExports({ admit }: Negotiation, data: Buffer): Promise<Buffer[]> {
  expectNoData(data);
  const entries = await asked(() => catalogOf(admit).list());
  return entries.map((entry) => encodeServerReply(OPTION.LIST, entry));
}

/**
 * The export that an option names, opened. Whoever gets it must close its disk.
 *
 * @throws {OptionRefusal}
 */
export async function openExport({ admit }: Negotiation, wanted: string): Promise<ServedExport> {
  const { name, disk, entry } = await asked(async () => {
    const catalog = catalogOf(admit);
    const entry = findEntry(await catalog.list(), wanted);
    const name = entry?.name ?? wanted;
    return { name, entry, disk: await catalog.open(name) };
  });
  if (disk === undefined) {
    throw new OptionRefusal(OPTION_REPLY.ERR_UNKNOWN, `there is no export "${wanted}"`);
  }
  return servedExport({ name, description: disk.description ?? entry?.description ?? '', disk });
}

function findEntry(entries: readonly ExportEntry[], wanted: string): ExportEntry | undefined {
  const [only] = entries;
  return (
    entries.find(({ name }) => name === wanted) ??
    (wanted === '' && entries.length === 1 ? only : undefined) ??
    entries.find(({ name }) => wanted.replace(DEVICE_FOLDER, '') === name)
  );
}

/** Closes the disk of an export. Never rejects: nobody could do anything about it. */
export async function closeDisk({ disk }: ServedExport): Promise<void> {
  await disk.close().catch(() => {});
}

/** What NBD_OPT_INFO and NBD_OPT_GO tell of an export, without the acknowledgement. */
export function infoReplies(
  option: number,
  { infos }: InfoRequest,
  served: ServedExport,
  flags: number,
): Buffer[] {
  const { name, description, size, blockSizes } = served;
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

/** The contexts that were selected for the export of that name, which must be the same word. */
export function contextsFor({ selection }: Negotiation, exportName: string): readonly MetaContext[] {
  return selection?.exportName === exportName ? selection.contexts : [];
}

export function flagsOf(negotiation: Negotiation, served: ServedExport, exportName: string): number {
  const { replies, multiConnection } = negotiation;
  const contexts = contextsFor(negotiation, exportName).length > 0;
  return transmissionFlags(served, { replies, contexts, multiConnection });
}

export function infoRequest(option: number, data: Buffer): InfoRequest {
  return decoded(() => decodeInfoRequest(option, data));
}

/** NBD_OPT_STRUCTURED_REPLY. */
export function agreeOnStructuredReplies(negotiation: Negotiation, data: Buffer): void {
  expectNoData(data);
  if (negotiation.replies === 'extended') {
    throw new OptionRefusal(OPTION_REPLY.ERR_EXT_HEADER_REQD, 'extended headers have been agreed on already');
  }
  negotiation.replies = 'structured';
}

/** NBD_OPT_EXTENDED_HEADERS. */
export function agreeOnExtendedHeaders(negotiation: Negotiation, data: Buffer): void {
  expectNoData(data);
  negotiation.replies = 'extended';
}

/** NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT, without the acknowledgement. */
export async function metaContexts(
  negotiation: Negotiation,
  option: number,
  data: Buffer,
): Promise<Buffer[]> {
  const setting = option === OPTION.SET_META_CONTEXT;
  // The specification wants the former selection to be gone also if this option fails.
  if (setting) negotiation.selection = undefined;
  const { exportName, queries } = decoded(() => decodeMetaContextRequest(option, data));
  if (setting && negotiation.replies === 'simple') {
    throw invalid('structured replies or extended headers must be agreed on first');
  }
  const odd = queries.find((query) => query.indexOf(':') < 1);
  if (odd !== undefined) throw invalid(`the query "${odd}" does not start with a namespace and a colon`);

  const served = await openExport(negotiation, exportName);
  await closeDisk(served);
  const found = offeredContexts(served).filter(({ name }) =>
    setting ? queries.includes(name) : queries.length === 0 || queries.some((query) => matches(name, query)),
  );
  if (setting) negotiation.selection = { exportName, contexts: found };
  return found.map(({ id, name }) => encodeMetaContextReply(option, { id: setting ? id : 0, name }));
}

/** Of the disk whose identity is not known, there is no context that tells it. */
function offeredContexts({ disk }: ServedExport): MetaContext[] {
  const { identity } = disk;
  return [
    { id: 1, name: ALLOCATION_CONTEXT },
    ...(identity === undefined ? [] : [{ id: 2, name: identityContext(identity) }]),
  ];
}

/** A namespace alone stands for all its contexts. */
function matches(name: string, query: string): boolean {
  return query === name || ([BASE_NAMESPACE, IDENTITY_NAMESPACE].includes(query) && name.startsWith(query));
}

function catalogOf(admit: () => Admission): ExportCatalog {
  const admission = admit();
  if ('refusal' in admission) throw new ExportRefusal(admission.refusal);
  return admission.catalog;
}

/** What the catalog throws is told to the client, and ends neither the connection nor the process. */
async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const type = error instanceof ExportRefusal ? OPTION_REPLY.ERR_POLICY : OPTION_REPLY.ERR_PLATFORM;
    throw new OptionRefusal(type, error instanceof Error ? error.message : String(error));
  }
}

/** @throws {OptionRefusal} for what the codecs do not understand */
function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof NbdError) throw invalid(error.message);
    throw error;
  }
}

function expectNoData(data: Buffer): void {
  if (data.length > 0) throw invalid('it takes no data');
}

function invalid(message: string): OptionRefusal {
  return new OptionRefusal(OPTION_REPLY.ERR_INVALID, message);
}
