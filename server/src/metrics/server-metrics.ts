import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** Counts that are asked for whenever somebody looks. */
export interface ServerCounts {
  readonly connectedComputers: () => number;
  /** By state. */
  readonly jobs: () => Promise<ReadonlyMap<string, number>>;
}

/** What Prometheus reads of a server: its process, its computers, its jobs. */
export function serverMetrics({ connectedComputers, jobs }: ServerCounts): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'diskferry_' });
  const computersConnected: Gauge = new Gauge({
    name: 'diskferry_computers_connected',
    help: 'Computers whose imaging clients are connected to this server',
    registers: [],
    collect: (): void => computersConnected.set(connectedComputers()),
  });
  const jobsByState: Gauge = new Gauge({
    name: 'diskferry_jobs',
    help: 'Jobs in the database by state',
    labelNames: ['state'],
    registers: [],
    collect: async () => {
      for (const [state, count] of await jobs()) jobsByState.set({ state }, count);
    },
  });
  registry.registerMetric(computersConnected);
  registry.registerMetric(jobsByState);
  return () => registry.metrics();
}
