import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { RefusedError } from '../../refused-error.ts';
import type { Computer } from '../../serve/computers.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { type Fleet, linkOf } from '../../fleet/fleet.ts';
import type { Registry } from '../../registry/registry.ts';
import type { StateChange } from '../../registry/change-state.ts';
import { StateError } from '../../registry/states/deployment-state.ts';
import type { Afterwards } from '../afterwards.ts';
import type { Job } from '../job.ts';
import type { JobFacts, JobWork } from '../job-engine.ts';

export interface ComputerWorkOptions {
  readonly registry: Registry;
  readonly fleet: Fleet;
  readonly runFolder: string;
}

/** What transfers need besides. */
export interface TransferRunnerOptions extends ComputerWorkOptions {
  readonly catalog: Catalog;
}

/**
 * The computer of a job, and the link that it loads.
 *
 * @throws {DiskferryError} `COMPUTER_MISSING`
 */
export async function computerFacts(registry: Registry, idOrName: string): Promise<JobFacts> {
  const { id, address } = await registry.get(idOrName);
  const link = linkOf(address);
  return { computerId: id, ...(link === undefined ? {} : { link }) };
}

export interface ComputerWork {
  readonly computerId: string;
  readonly afterwards: Afterwards;
  /** Whether the computer has a system of its own when the work has ended, by whether it had one and whether it succeeded. */
  readonly hasSystem: (had: boolean, succeeded: boolean) => boolean;
}

/**
 * Calls a computer into the secondary OS, works on it, and lets it go. Its state says so at each moment, so that a computer
 * that restarts in between does what the server expects. Afterwards it is deployed if it has a system, whether it starts it
 * at once or stays where it is, and dormant else.
 *
 * @throws {StateError} when the computer is not registered
 * @throws what the work throws; the computer is released, or set aside, before
 */
export async function withComputer<T>(
  { registry, fleet }: ComputerWorkOptions,
  { job, signal, onProgress, log }: JobWork,
  { computerId, afterwards, hasSystem }: ComputerWork,
  work: (computer: Computer) => Promise<T>,
): Promise<T> {
  const actor = actorOf(job);
  const had = (await registry.get(computerId)).state === 'deployed';
  await registry.changeState(computerId, { cause: 'called', actor });
  let succeeded = false;
  try {
    onProgress({ step: 'wait for the computer' });
    const computer = await fleet.await(computerId, signal);
    fleet.claim(computerId);
    const result = await work(computer);
    succeeded = true;
    return result;
  } finally {
    const keepsSystem = hasSystem(had, succeeded);
    const message = keepsSystem && !succeeded ? 'Its system was not touched.' : undefined;
    const change = { cause: keepsSystem ? 'released' : 'set-aside', actor, message } as const;
    const how = succeeded ? afterwards : keepsSystem && !isBegunAgain(signal) ? 'local-disk' : 'standby';
    const isLetGo = await letGo(registry, computerId, change, log);
    if (isLetGo && how !== 'standby') await leave(fleet.find(computerId), how, log);
  }
}

/** Returns false where an administrator has said meanwhile what it is: that counts, and makes no failure of what succeeded. */
async function letGo(
  registry: Registry,
  computerId: string,
  change: StateChange,
  log: (line: string) => void,
): Promise<boolean> {
  try {
    await registry.changeState(computerId, change);
    return true;
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    log(error.message);
    return false;
  }
}

/** What a computer has after its disk was only read: what it had, or the system that it is told to start. */
export function systemAfterReading(afterwards: Afterwards): ComputerWork['hasSystem'] {
  return (had, succeeded) => had || (succeeded && afterwards !== 'standby');
}

/** The server ends, and the job is begun again after its next start: the computer may wait for that. */
function isBegunAgain({ reason }: AbortSignal): boolean {
  return reason instanceof DiskferryError && reason.code === 'SERVER_ENDS';
}

/**
 * What a dead server left of a computer that it had called: it is what it was before, unless its disk may have been
 * written since then.
 */
export async function releaseComputer(
  { registry }: Pick<ComputerWorkOptions, 'registry'>,
  job: Job,
): Promise<void> {
  if (job.computerId === undefined) return;
  const actor = actorOf(job);
  const history = await registry.history(job.computerId);
  const called = history.findIndex(({ kind }) => kind === 'state');
  const { change, actor: caller } = history[called] ?? {};
  // Not called yet, released already, or called by somebody else.
  if (change?.cause !== 'called' || caller !== actor) return;
  const isWritten = history.slice(0, called).some(({ kind }) => kind === 'disk');
  const cause = change.from === 'deployed' && !isWritten ? 'released' : 'set-aside';
  await registry.changeState(job.computerId, { cause, actor });
}

/** The state is right already: a computer that does not leave now does so when it starts again. */
async function leave(
  computer: Computer | undefined,
  how: 'local-disk' | 'power-off',
  log: (line: string) => void,
): Promise<void> {
  try {
    await computer?.link.ask({ type: 'leave', how });
  } catch (error) {
    log(`the computer was not told to leave: ${messageOf(error)}`);
  }
}

/** As whom a job changes states. */
export function actorOf({ id, kind }: Pick<Job, 'id' | 'kind'>): string {
  return `${kind} job ${id}`;
}

/**
 * The disk that is meant: the one of that name, or the only one that is neither removable nor read-only.
 *
 * @throws {RefusedError} `DISK_MISSING`, `DISK_UNCLEAR`
 */
export function chooseDisk(
  { name, inventory }: Pick<Computer, 'name' | 'inventory'>,
  wanted?: string,
): string {
  const disks = inventory.disks.filter(({ removable, readOnly }) => !removable && !readOnly);
  const names = inventory.disks.map((disk) => disk.name).join(', ') || 'none';
  if (wanted !== undefined) {
    if (inventory.disks.some((disk) => disk.name === wanted)) return wanted;
    throw new RefusedError('DISK_MISSING', `${name} has no disk ${wanted}; it has: ${names}`);
  }
  const [disk, ...others] = disks;
  if (disk !== undefined && others.length === 0) return disk.name;
  throw new RefusedError('DISK_UNCLEAR', `say which disk of ${name} is meant; it has: ${names}`);
}
