import { type IncomingMessage, request as httpRequest } from 'node:http';
import { createInterface } from 'node:readline';
import { DiskferryError } from '@diskferry/system/errors';

/** The server has to ask the computer, in ms. */
const TIMEOUT_MS = 30_000;

/** A disk of a computer that has dialled the `diskferry serve` of this machine. */
export interface ManagedDiskName {
  /** Unix socket of the server's local interface. */
  readonly interfacePath: string;
  readonly computer: string;
  readonly disk: string;
}

/** What a grant is for; people in front of the computer read both. */
export interface GrantPurpose {
  readonly job: string;
  readonly description: string;
}

/** The right to write to a disk of a managed computer, for as long as this object and its process live. */
export interface ManagedGrant {
  /** Unix socket that speaks NBD and has the disk, writable, as its only export. */
  readonly socketPath: string;
  /** Resolves with the reason when the right has ended: taken back, or the computer or server is gone for too long. */
  readonly ended: Promise<Error>;
  giveBack(): void;
}

/**
 * Asks the server of this machine for the right to write. The server keeps it while the answer to this request is open.
 *
 * @throws {DiskferryError} with the code of the refusal; `GRANT_FAILED` if there is no server; the reason of the signal
 */
export async function takeManagedGrant(
  { interfacePath, computer, disk }: ManagedDiskName,
  { job, description }: GrantPurpose,
  { signal, timeoutMs = TIMEOUT_MS }: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
): Promise<ManagedGrant> {
  signal?.throwIfAborted();
  const asking = httpRequest({ socketPath: interfacePath, path: '/grants', method: 'POST', agent: false });
  const stop = (): void => void asking.destroy(signal?.reason as Error);
  signal?.addEventListener('abort', stop);
  const timer = setTimeout(() => asking.destroy(new Error(`no answer for ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      asking.on('response', resolve);
      asking.on('error', (error) => reject(failed(interfacePath, error)));
      asking.end(JSON.stringify({ computer, disk, job, description }));
    });
    // It ends with an error when it is given back.
    response.on('error', () => {});
    const lines = createInterface({ input: response })[Symbol.asyncIterator]();
    const first = await lines.next();
    const answer = read(first.done === true ? '{}' : first.value);
    if (answer.socket === undefined) throw new DiskferryError(answer.code, answer.message);
    return { socketPath: answer.socket, ended: endOf(lines), giveBack: () => asking.destroy() };
  } catch (error) {
    asking.destroy();
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

async function endOf(lines: AsyncIterator<string>): Promise<Error> {
  const next = await lines.next().catch(() => undefined);
  const { code, message } = read(next === undefined || next.done === true ? '{}' : next.value);
  return new DiskferryError(code, message);
}

interface Line {
  readonly socket?: string;
  readonly code: string;
  readonly message: string;
}

function read(line: string): Line {
  const gone = { code: 'GRANT_ENDED', message: 'the server that held the grant has ended' };
  return { ...gone, ...(JSON.parse(line) as Partial<Line>) };
}

function failed(path: string, cause: NodeJS.ErrnoException): DiskferryError {
  const absent = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED';
  const why = absent ? 'no "diskferry serve" runs there' : cause.message;
  return new DiskferryError('GRANT_FAILED', `no grant can be asked for at ${path}: ${why}`, { cause });
}
