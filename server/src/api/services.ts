import type { Access } from '../access/access.ts';
import type { AuditLog } from '../access/audit-log.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { EventLog } from '../events/event-log.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { JobDesk } from '../jobs/job-desk.ts';
import type { JobEngine } from '../jobs/job-engine.ts';
import type { JobStore } from '../jobs/job-store.ts';
import type { Schedules } from '../jobs/schedules.ts';
import type { ServerMetrics } from '../metrics/server-metrics.ts';
import type { Registry } from '../registry/registry.ts';
import type { Enrolments } from '../serve/enrolments.ts';
import type { Log } from '../settings/server-settings.ts';

/** The parts of a server that the API shows. */
export interface Services {
  readonly version: string;
  readonly access: Access;
  readonly audit: AuditLog;
  readonly events: EventLog;
  readonly jobs: JobEngine;
  readonly jobDesk: JobDesk;
  readonly jobStore: JobStore;
  readonly schedules: Schedules;
  readonly registry: Registry;
  readonly fleet: Fleet;
  readonly catalog: Catalog;
  readonly enrolments: Enrolments;
  /** Answers a query of the database, or throws. */
  readonly checkDatabase: () => Promise<void>;
  readonly metrics: ServerMetrics;
  readonly log: Log;
}
