import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { IMAGE_STATES } from '../catalog/tables.ts';
import type { Database } from '../database/database.ts';
import { JOB_STATES } from '../jobs/job-states.ts';
import { DEPLOYMENT_STATES } from '../registry/states/deployment-state.ts';

export interface ServerMetricsOptions {
  readonly database: Database;
  readonly connectedComputers: () => number;
}

/** A request that was answered. */
export interface AnsweredRequest {
  readonly method: string;
  /** As the API describes it, with `:id` for all ids; "none" where there is no such route. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

/** What Prometheus reads of a server: its process, its requests, its computers, images and jobs. */
export interface ServerMetrics {
  /** In the text format of Prometheus. */
  read(): Promise<string>;
  answered(request: AnsweredRequest): void;
}

/** In seconds: lists take some ms, and uploads of nothing large are made here. */
const BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.5, 1, 5];

export function serverMetrics({ database, connectedComputers }: ServerMetricsOptions): ServerMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'diskferry_' });
  const requests = new Histogram({
    name: 'diskferry_http_request_duration_seconds',
    help: 'Requests of the API by route and status, and how long they took',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers,
  });
  const connected: Gauge = new Gauge({
    name: 'diskferry_computers_connected',
    help: 'Computers whose imaging clients are connected to this server',
    registers,
    collect: (): void => connected.set(connectedComputers()),
  });
  for (const [table, name, states] of [
    ['computers', 'diskferry_computers', DEPLOYMENT_STATES],
    ['images', 'diskferry_images', IMAGE_STATES],
    ['jobs', 'diskferry_jobs', JOB_STATES],
  ] as const) {
    const gauge: Gauge<'state'> = new Gauge({
      name,
      help: `The ${table} in the database, by state`,
      labelNames: ['state'],
      registers,
      collect: async () => {
        for (const [state, count] of await countByState(database, table, states)) gauge.set({ state }, count);
      },
    });
  }
  const imageBytes: Gauge = new Gauge({
    name: 'diskferry_image_bytes',
    help: 'Bytes of all image files of the catalog',
    registers,
    collect: async () => {
      const { bytes } = await database
        .selectFrom('images')
        .select(({ fn }) => fn.sum<number | string | null>('fileSize').as('bytes'))
        .executeTakeFirstOrThrow();
      imageBytes.set(Number(bytes ?? 0));
    },
  });
  return {
    read: () => registry.metrics(),
    answered: ({ seconds, ...labels }) => requests.observe(labels, seconds),
  };
}

/** All states are there, with 0 where nothing is in them. */
async function countByState(
  database: Database,
  table: 'computers' | 'images' | 'jobs',
  states: readonly string[],
): Promise<Map<string, number>> {
  const rows = await database
    .selectFrom(table)
    .select(['state', ({ fn }) => fn.countAll<number>().as('count')])
    .groupBy('state')
    .execute();
  const counts = new Map(rows.map(({ state, count }) => [state as string, count]));
  return new Map(states.map((state) => [state, counts.get(state) ?? 0]));
}
