import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '@diskferry/system/errors';
import { sql } from 'kysely';
import manifest from '../../package.json' with { type: 'json' };
import { Access } from '../access/access.ts';
import { AuditLog } from '../access/audit-log.ts';
import { type Api, buildApi } from '../api/api.ts';
import { Catalog } from '../catalog/catalog.ts';
import { openDatabase } from '../database/database.ts';
import { EventLog } from '../events/event-log.ts';
import { Fleet } from '../fleet/fleet.ts';
import { JobDesk } from '../jobs/job-desk.ts';
import { JobEngine, type JobRunner } from '../jobs/job-engine.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import { JobStore } from '../jobs/job-store.ts';
import { bootProofRunner } from '../jobs/runners/boot-proof-runner.ts';
import { captureRunner } from '../jobs/runners/capture-runner.ts';
import { checkImageRunner } from '../jobs/runners/check-image-runner.ts';
import { convertRunner } from '../jobs/runners/convert-runner.ts';
import { importImageRunner } from '../jobs/runners/import-image-runner.ts';
import { inventoryRunner } from '../jobs/runners/inventory-runner.ts';
import type { JobKind } from '../jobs/runners/job-specs.ts';
import { powerRunner } from '../jobs/runners/power-runner.ts';
import { verifyRunner } from '../jobs/runners/verify-runner.ts';
import { deployRunner } from '../jobs/runners/deploy-runner.ts';
import { LocalQueue } from '../jobs/local-queue.ts';
import { Schedules } from '../jobs/schedules.ts';
import { SharedQueue } from '../jobs/shared-queue.ts';
import { serverMetrics } from '../metrics/server-metrics.ts';
import { Registry } from '../registry/registry.ts';
import type { Log, ServerSettings } from '../settings/server-settings.ts';
import type { Enrolments } from './enrolments.ts';

export interface CoreOptions {
  readonly settings: ServerSettings;
  readonly stateFolder: string;
  readonly runFolder: string;
  readonly enrolments: Enrolments;
  readonly connectedComputers: () => number;
  readonly log: Log;
}

/** What a server knows and does, without its doors. */
export interface ServerCore {
  readonly api: Api;
  readonly fleet: Fleet;
  readonly registry: Registry;
  readonly events: EventLog;
  /** The first administrator's token, if this start has made it: shown now and never again. */
  readonly firstToken: string | undefined;
  close(): Promise<void>;
}

/**
 * Opens the database, goes on with the jobs that were under way, and builds the API.
 *
 * @throws {DiskferryError} `DATABASE_FAILED`, `DATABASE_NEWER`
 */
export async function startCore(options: CoreOptions): Promise<ServerCore> {
  const { settings, runFolder, log } = options;
  const database = await openDatabase(settings.database);
  const server = serverId(options.stateFolder);
  const store = new JobStore(database);
  const [access, events] = [new Access({ database }), new EventLog(database)];
  const catalog = new Catalog({ database, events, server });
  const registry = await Registry.open(database, events, { inUse: (id) => jobOf(store, id) });
  const fleet = new Fleet({ registry, events, isWanted: (id) => store.isDueFor(id), log });
  const jobs = new JobEngine({
    store,
    events,
    queue: queueFor(settings, log),
    runners: {
      capture: captureRunner({ catalog, registry, fleet, runFolder }),
      deploy: deployRunner({ catalog, registry, fleet, runFolder }),
      convert: convertRunner({ catalog, runFolder }),
      verify: verifyRunner({ catalog, registry, fleet, runFolder }),
      'boot-proof': bootProofRunner({ catalog, runFolder }),
      'check-image': checkImageRunner(catalog),
      'import-image': importImageRunner(catalog),
      inventory: inventoryRunner({ registry, fleet }),
      power: powerRunner({ registry, fleet, hook: settings.powerHook }),
    } satisfies Record<JobKind, JobRunner>,
    serverId: server,
    host: hostname(),
    log: (line) => log('error', line),
  });
  const jobDesk = new JobDesk(jobs, registry);
  const schedules = new Schedules(database, (job) => jobDesk.submit(job));
  try {
    const firstToken = await access.firstStart();
    await catalog.recover();
    await jobs.start();
    const api = await buildApi({
      version: manifest.version,
      access,
      audit: new AuditLog(database),
      events,
      jobs,
      jobDesk,
      jobStore: store,
      schedules,
      registry,
      fleet,
      catalog,
      enrolments: options.enrolments,
      checkDatabase: async () => void (await sql`select 1`.execute(database)),
      metrics: serverMetrics({ database, connectedComputers: options.connectedComputers }),
      log,
    });
    const stopped = new AbortController();
    const repeating = Promise.all([
      repeat(LOOK_EVERY_MS, () => catalog.look(), { signal: stopped.signal, log }),
      repeat(SCHEDULE_EVERY_MS, () => schedules.look(), { signal: stopped.signal, log }),
    ]);
    await events.add({ kind: 'server.started', message: `The server on ${hostname()} has started.` });
    return {
      api,
      fleet,
      registry,
      events,
      firstToken,
      close: async () => {
        stopped.abort();
        await repeating;
        await api.close();
        await jobs.stop();
        await database.destroy();
      },
    };
  } catch (error) {
    await jobs.stop().catch(() => {});
    await database.destroy();
    throw error;
  }
}

/** How often the catalog looks whether its files are there: missing shares and images are noticed by themselves, in ms. */
const LOOK_EVERY_MS = 5 * 60_000;
/** How late a scheduled job may be, in ms. */
const SCHEDULE_EVERY_MS = 5_000;

/** Does something ever again until the signal; a failure is logged, and it is tried again the next time. */
async function repeat(
  everyMs: number,
  work: () => Promise<unknown>,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Log },
): Promise<void> {
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal, ref: false }).catch(() => {});
    if (signal.aborted) return;
    await work().catch((error: unknown) => log('warn', messageOf(error)));
  }
}

/** Why a computer is in use, in a few words. */
async function jobOf(store: JobStore, computerId: string): Promise<string | undefined> {
  const [job] = await store.list({ computerId, states: ['queued', 'paused', 'running'], limit: 1 });
  return job && `the ${job.kind} job ${job.id}`;
}

function queueFor({ database, jobsAtOnce, jobsAtOncePerLink }: ServerSettings, log: Log): JobQueue {
  const limits = { atOnce: jobsAtOnce, atOncePerLink: jobsAtOncePerLink };
  if (database.startsWith('sqlite:')) return new LocalQueue(limits);
  return new SharedQueue(database, limits, (error) => log('warn', `the queue of jobs: ${error.message}`));
}

/** By this a server finds its own jobs again after a restart. */
function serverId(stateFolder: string): string {
  const path = join(stateFolder, 'server-id');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${randomUUID()}\n`, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8').trim();
}
