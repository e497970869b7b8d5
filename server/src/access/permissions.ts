/** From the least to the most: each may do what those before it may. */
export const ROLES = ['viewer', 'operator', 'administrator'] as const;
export type Role = (typeof ROLES)[number];

/** What the routes of the API are about. A token may be limited to some of them, for reading or for writing. */
const GROUPS = [
  'audit',
  'computers',
  'enrolments',
  'events',
  'hardware',
  'images',
  'jobs',
  'locations',
  'power',
  'server',
  'tokens',
  'users',
] as const;
/** `images:read` or `images:write`. Who may write may read. */
export type Scope = `${(typeof GROUPS)[number]}:${'read' | 'write'}`;
export const SCOPES: readonly Scope[] = GROUPS.flatMap((group): Scope[] => [
  `${group}:read`,
  `${group}:write`,
]);

export interface Permission {
  /** The least role that may do it. */
  readonly role: Role;
  /** What a limited token must have besides. */
  readonly scope: Scope;
}

/** All that can be done by the API, and who may do it. */
export const PERMISSIONS = {
  'audit.read': { role: 'administrator', scope: 'audit:read' },

  'computers.read': { role: 'viewer', scope: 'computers:read' },
  /** Names, notes, groups. */
  'computers.change': { role: 'operator', scope: 'computers:write' },
  'computers.register': { role: 'administrator', scope: 'computers:write' },
  /** Merging, splitting, deleting, rules of registration. */
  'computers.administer': { role: 'administrator', scope: 'computers:write' },

  'hardware.read': { role: 'viewer', scope: 'hardware:read' },
  'hardware.change': { role: 'administrator', scope: 'hardware:write' },

  'images.read': { role: 'viewer', scope: 'images:read' },
  'images.import': { role: 'operator', scope: 'images:write' },
  /** Names, notes, tags. */
  'images.change': { role: 'operator', scope: 'images:write' },
  'images.check': { role: 'operator', scope: 'images:write' },
  'images.delete': { role: 'operator', scope: 'images:write' },

  'locations.read': { role: 'viewer', scope: 'locations:read' },
  /** They are folders of the server, whose files become readable to all. */
  'locations.change': { role: 'administrator', scope: 'locations:write' },

  'jobs.read': { role: 'viewer', scope: 'jobs:read' },
  'jobs.start': { role: 'operator', scope: 'jobs:write' },
  /** Pause, cancel, retry, priority. */
  'jobs.change': { role: 'operator', scope: 'jobs:write' },
  'jobs.schedule': { role: 'operator', scope: 'jobs:write' },

  'power.use': { role: 'operator', scope: 'power:write' },

  'events.read': { role: 'viewer', scope: 'events:read' },
  'events.acknowledge': { role: 'operator', scope: 'events:write' },

  /** State, version, metrics. */
  'server.read': { role: 'viewer', scope: 'server:read' },
  'server.change': { role: 'administrator', scope: 'server:write' },
  'server.backup': { role: 'administrator', scope: 'server:write' },

  'enrolments.read': { role: 'administrator', scope: 'enrolments:read' },
  'enrolments.change': { role: 'administrator', scope: 'enrolments:write' },

  'users.read': { role: 'administrator', scope: 'users:read' },
  'users.change': { role: 'administrator', scope: 'users:write' },

  /** One's own. */
  'tokens.read': { role: 'viewer', scope: 'tokens:read' },
  'tokens.change': { role: 'viewer', scope: 'tokens:write' },
  /** Those of others. */
  'tokens.administer': { role: 'administrator', scope: 'tokens:write' },
} as const satisfies Record<string, Permission>;

export type Action = keyof typeof PERMISSIONS;

/** Whether a role is at least that of another. */
export function isAtLeast(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least);
}

export function lesserRole(a: Role, b: Role): Role {
  return isAtLeast(a, b) ? b : a;
}

/** Whether scopes include one. No list is no limit. */
export function includesScope(scopes: readonly Scope[] | undefined, wanted: Scope): boolean {
  if (scopes === undefined || scopes.includes(wanted)) return true;
  return wanted.endsWith(':read') && scopes.includes(wanted.replace(/:read$/, ':write') as Scope);
}
