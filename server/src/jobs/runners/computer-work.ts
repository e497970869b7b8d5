import { messageOf } from '@diskferry/system/errors';
import { RefusedError } from '../../refused-error.ts';
import type { Computer } from '../../serve/computers.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { type Fleet, linkOf } from '../../fleet/fleet.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Job } from '../job.ts';
import type { JobFacts, JobWork } from '../job-engine.ts';

/** What a computer does when the work on it is done. */
export const AFTERWARDS = ['local-disk', 'power-off', 'standby'] as const;
export type Afterwards = (typeof AFTERWARDS)[number];

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
  /** Whether the disk has a system of its own if the work fails: it goes back to it then. */
  readonly hasSystemWhenFailed: boolean;
}

/**
 * Calls a computer into the secondary OS, works on it, and lets it go. Its state says so at each moment, so that a computer
 * that restarts in between does what the server expects.
 *
 * @throws {StateError} when the computer is not registered
 * @throws what the work throws; the computer is released, or set aside, before
 */
export async function withComputer<T>(
  { registry, fleet }: ComputerWorkOptions,
  { job, signal, onProgress, log }: JobWork,
  { computerId, afterwards, hasSystemWhenFailed }: ComputerWork,
  work: (computer: Computer) => Promise<T>,
): Promise<T> {
  const actor = actorOf(job);
  const before = (await registry.get(computerId)).state;
  await registry.changeState(computerId, { cause: 'called', actor });
  let succeeded = false;
  try {
    onProgress({ step: 'wait for the computer' });
    const computer = await fleet.await(computerId, signal);
    const result = await work(computer);
    succeeded = true;
    return result;
  } finally {
    const keepsSystem = succeeded ? afterwards !== 'standby' : hasSystemWhenFailed && before !== 'dormant';
    await registry.changeState(computerId, { cause: keepsSystem ? 'released' : 'set-aside', actor });
    const how = succeeded ? afterwards : keepsSystem ? 'local-disk' : 'standby';
    if (how !== 'standby') await leave(fleet.find(computerId), how, log);
  }
}

/** What a dead server left of a computer that it had called: it goes back to its system if it has one, or waits. */
export async function releaseComputer(
  { registry }: Pick<ComputerWorkOptions, 'registry'>,
  job: Job,
  { hasSystem }: { readonly hasSystem: boolean },
): Promise<void> {
  if (job.computerId === undefined) return;
  const { state } = await registry.get(job.computerId);
  if (state !== 'transitioning') return;
  const cause = hasSystem ? 'released' : 'set-aside';
  await registry.changeState(job.computerId, { cause, actor: actorOf(job) });
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
