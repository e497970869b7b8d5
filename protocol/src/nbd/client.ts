import type { Duplex } from 'node:stream';
import type { SectorSize } from '../disk.ts';
import type { DiskAddress } from '../disk-address.ts';
import { sectorSizeOf } from './block-sizes.ts';
import { ClientHandshake, type ExportDescription } from './client-handshake.ts';
import type { ClientTls } from './client-tls.ts';
import { ClientLink, describeServer, openLink, type ServerAddress } from './client-link.ts';
import { TRANSMISSION_FLAG } from './constants.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { NbdError, protocolError } from './nbd-error.ts';
import { RemoteDisk, type RemoteDiskContext } from './remote-disk.ts';

export interface ConnectOptions {
  /**
   * A server that owes an answer and sends nothing for so long, in ms, is asked for a sign of life. Without one it is lost
   * after the same time again, or 10 s; with one its disk is given some minutes.
   */
  readonly requestTimeoutMs?: number;
  /** Time to connect and to agree on the export, in ms; 30 s by default. */
  readonly connectTimeoutMs?: number;
  /** The connection is encrypted, or not made; plain without it. */
  readonly tls?: ClientTls | undefined;
  /** Ends the attempt, and the connection that it made. */
  readonly signal?: AbortSignal | undefined;
}

/** An export as {@link listExports} shows it. */
export interface NbdExport {
  readonly name: string;
  readonly description?: string;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: SectorSize;
  readonly readOnly: boolean;
  /** Why the server could not describe the export; its size is 0 then. */
  readonly problem?: string;
}

/** Where the exports of a server are asked for. */
export type NbdServer = { readonly host: string; readonly port: number } | { readonly socketPath: string };

const REQUEST_TIMEOUT_MS = 30_000;
/** A slow or emulated computer takes seconds for the handshake of TLS alone. */
const CONNECT_TIMEOUT_MS = 30_000;

/**
 * Connects to an export. Requests are pipelined, split to what the server takes, and reads are rounded to its blocks.
 *
 * @throws {NbdError} `NBD_UNREACHABLE`, `NBD_UNKNOWN_EXPORT`, `NBD_REFUSED`, `NBD_UNTRUSTED`, `NBD_PROTOCOL`, `NBD_LOST`;
 *   the reason of the signal
 */
export async function connectNbd(address: DiskAddress, options: ConnectOptions = {}): Promise<RemoteDisk> {
  return withLink(address, options, (link) => enterExport(link, address.exportName, options));
}

/** The same over a stream that is connected already; `peer` names the other side in messages. */
export async function connectNbdOver(
  stream: Duplex,
  { exportName, peer }: { readonly exportName: string; readonly peer: string },
  options: ConnectOptions = {},
): Promise<NbdDisk> {
  const link = new ClientLink(peer);
  link.attach(stream, { bytesFromEvents: true });
  return withTimeout(peer, options, (signal) =>
    useLink(link, signal, (link) => enterExport(link, exportName, options)),
  );
}

/**
 * Asks a server for its exports and what they are.
 *
 * @throws {NbdError} as {@link connectNbd}; `NBD_REFUSED` if the server does not tell
 */
export async function listExports(server: NbdServer, options: ConnectOptions = {}): Promise<NbdExport[]> {
  const address: ServerAddress =
    'socketPath' in server
      ? { transport: 'unix', socketPath: server.socketPath }
      : { transport: 'tcp', host: server.host, port: server.port };
  return withLink(address, options, async (link) => {
    const handshake = await greet(link, options);
    const exports: NbdExport[] = [];
    for (const { name, description } of await handshake.list()) {
      const described = await describeExport(handshake, { ...address, exportName: name }, options);
      const words = described.description ?? description;
      exports.push({ name, ...described, ...(words === '' ? {} : { description: words }) });
    }
    handshake.abort();
    await link.close();
    return exports;
  });
}

async function greet(link: ClientLink, { tls }: ConnectOptions): Promise<ClientHandshake> {
  const handshake = new ClientHandshake(link);
  await handshake.greet();
  if (tls !== undefined) await handshake.secure(tls);
  return handshake;
}

async function enterExport(
  link: ClientLink,
  exportName: string,
  options: ConnectOptions,
): Promise<RemoteDisk> {
  const handshake = await greet(link, options);
  const headers = await handshake.agreeOnHeaders();
  const contexts = headers === 'simple' ? {} : await agreeOnContexts(handshake, exportName);
  const description = await handshake.enter(exportName);
  if (!handshake.reader.isEmpty) throw protocolError('it replies before it was asked');
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS, signal } = options;
  const { reader } = handshake;
  return new RemoteDisk({
    link,
    reader,
    exportName,
    description,
    headers,
    ...contexts,
    requestTimeoutMs,
    signal,
  });
}

async function agreeOnContexts(
  handshake: ClientHandshake,
  exportName: string,
): Promise<Pick<RemoteDiskContext, 'identity' | 'allocationContext'>> {
  const identity = await handshake.identify(exportName);
  const allocationContext = await handshake.agreeOnAllocation(exportName);
  return {
    ...(identity === undefined ? {} : { identity }),
    ...(allocationContext === undefined ? {} : { allocationContext }),
  };
}

async function describeExport(
  handshake: ClientHandshake,
  address: DiskAddress,
  options: ConnectOptions,
): Promise<Omit<NbdExport, 'name'>> {
  try {
    const description = await handshake.describe(address.exportName);
    // nbd-server answers NBD_OPT_INFO with a size of 0, because it opens the file only for NBD_OPT_GO.
    const isTold = description !== undefined && description.size > 0;
    return isTold ? summary(description) : await describeByEntering(address, options);
  } catch (error) {
    if (!(error instanceof NbdError) || error.code !== 'NBD_REFUSED') throw error;
    const nothing = { size: 0, sectorSize: sectorSizeOf(undefined), readOnly: true };
    return { ...nothing, problem: error.message };
  }
}

/** For servers without NBD_OPT_INFO. */
async function describeByEntering(
  address: DiskAddress,
  options: ConnectOptions,
): Promise<Omit<NbdExport, 'name'>> {
  const disk = await connectNbd(address, options);
  const { size, sectorSize, readOnly } = disk;
  await disk.close();
  return { size, sectorSize, readOnly };
}

function summary({ size, flags, blockSizes, description }: ExportDescription): Omit<NbdExport, 'name'> {
  return {
    size,
    sectorSize: sectorSizeOf(blockSizes),
    readOnly: (flags & TRANSMISSION_FLAG.READ_ONLY) !== 0,
    ...(description === undefined ? {} : { description }),
  };
}

function withLink<T>(
  address: ServerAddress,
  options: ConnectOptions,
  use: (link: ClientLink) => Promise<T>,
): Promise<T> {
  return withTimeout(describeServer(address), options, async (signal) => {
    const link = await openLink(address, signal);
    return useLink(link, signal, use);
  });
}

/** Takes the link down if what is done with it fails or is aborted. */
async function useLink<T>(
  link: ClientLink,
  signal: AbortSignal,
  use: (link: ClientLink) => Promise<T>,
): Promise<T> {
  const onAbort = (): void => link.fail(signal.reason as Error);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await use(link);
  } catch (error) {
    const reason = link.explain(error as Error);
    if (reason instanceof NbdError && reason.code === 'NBD_PROTOCOL') link.fail(reason);
    await link.close();
    throw reason;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function withTimeout<T>(
  peer: string,
  { connectTimeoutMs = CONNECT_TIMEOUT_MS, signal }: ConnectOptions,
  action: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(tooSlow(peer, connectTimeoutMs)), connectTimeoutMs);
  try {
    return await action(signal === undefined ? timeout.signal : AbortSignal.any([signal, timeout.signal]));
  } finally {
    clearTimeout(timer);
  }
}

function tooSlow(peer: string, timeoutMs: number): NbdError {
  return new NbdError(
    'NBD_UNREACHABLE',
    `${peer} did not answer as an NBD server within ${timeoutMs / 1000} s; see whether the computer is on and its ` +
      'screen says "waiting for the server", and whether a firewall stands between',
  );
}
