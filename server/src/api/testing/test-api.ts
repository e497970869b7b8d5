import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import { Access } from '../../access/access.ts';
import { AuditLog } from '../../access/audit-log.ts';
import { Catalog } from '../../catalog/catalog.ts';
import type { Database } from '../../database/database.ts';
import { openSqlite } from '../../database/testing/each-database.ts';
import { EventLog } from '../../events/event-log.ts';
import { Fleet } from '../../fleet/fleet.ts';
import { JobDesk } from '../../jobs/job-desk.ts';
import { JobEngine, type JobRunner } from '../../jobs/job-engine.ts';
import { JobStore } from '../../jobs/job-store.ts';
import { Schedules } from '../../jobs/schedules.ts';
import { LocalQueue } from '../../jobs/local-queue.ts';
import { serverMetrics } from '../../metrics/server-metrics.ts';
import { Registry } from '../../registry/registry.ts';
import { Enrolments } from '../../serve/enrolments.ts';
import { type Api, buildApi } from '../api.ts';
import type { Services } from '../services.ts';

/** An API with its own database, on a port of this machine. */
export interface TestApi {
  readonly api: Api;
  readonly services: Services;
  readonly database: Database;
  readonly url: string;
  /** Of the first administrator. */
  readonly token: string;
  /** Sends a request; with the administrator's token unless another one, or none, is given. */
  readonly ask: (method: string, path: string, wishes?: AskWishes) => Promise<Answer>;
}

export interface AskWishes {
  readonly body?: unknown;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of the text, if it is JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each route has answers of its own
  readonly json: any;
}

/** Ends when it is told to by the test. */
export const SLOW: JobRunner = {
  check: async () => ({}),
  run: ({ signal }) =>
    new Promise((_, reject) => {
      // It may be cancelled while the engine still tells that it is begun.
      signal.throwIfAborted();
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    }),
};

/** Starts an API on plain HTTP; the TLS of the real door is not its business. */
export async function startTestApi(t: TestContext): Promise<TestApi> {
  const database = await openSqlite(t);
  const [access, events, jobStore] = [
    new Access({ database }),
    new EventLog(database),
    new JobStore(database),
  ];
  const jobs = new JobEngine({
    store: jobStore,
    events,
    queue: new LocalQueue({ atOnce: 1, atOncePerLink: 1 }),
    runners: { slow: SLOW, quick: { check: async () => ({}), run: async () => ({ answer: 42 }) } },
    serverId: 'test',
    host: 'test',
    log: () => {},
  });
  await jobs.start();
  const registry = await Registry.open(database, events);
  const jobDesk = new JobDesk(jobs, registry);
  const state = mkdtempSync(join(tmpdir(), 'diskferry-api-'));
  const services: Services = {
    version: '1.2.3',
    access,
    audit: new AuditLog(database),
    events,
    jobs,
    jobDesk,
    jobStore,
    schedules: new Schedules(database, (job) => jobDesk.submit(job)),
    registry,
    fleet: new Fleet({ registry, events, isWanted: async () => false, log: () => {} }),
    catalog: new Catalog({ database, events, server: 'test' }),
    enrolments: new Enrolments(join(state, 'enrolments')),
    checkDatabase: async () => void (await sql`select 1`.execute(database)),
    metrics: serverMetrics({ database, connectedComputers: () => 7 }),
    log: () => {},
  };
  const api = await buildApi(services);
  const server = createServer(api.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    await jobs.stop();
    await api.close();
    await closed(server);
    rmSync(state, { recursive: true });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const token = (await access.firstStart()) ?? '';
  return { api, services, database, url, token, ask: (...words) => ask(url, token, ...words) };
}

async function ask(
  url: string,
  ownToken: string,
  method: string,
  path: string,
  { body, headers = {}, ...more }: AskWishes = {},
): Promise<Answer> {
  const token = 'token' in more ? more.token : ownToken;
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
