import type { AccessTables } from '../access/tables.ts';
import type { CatalogTables } from '../catalog/tables.ts';
import type { EventTables } from '../events/tables.ts';
import type { JobTables } from '../jobs/tables.ts';
import type { RegistryTables } from '../registry/tables.ts';

/** All tables. Each part of the server describes its own. */
export interface Schema extends AccessTables, CatalogTables, EventTables, JobTables, RegistryTables {}
