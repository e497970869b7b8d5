/** SQLITE_CONSTRAINT_UNIQUE (sqlite.org/rescode.html). */
const SQLITE_UNIQUE = 2067;
/** unique_violation (PostgreSQL, Appendix A). */
const POSTGRES_UNIQUE = '23505';

/** Whether a statement failed because somebody has that name, or place, already. */
export function isUniqueViolation(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    ('errcode' in error && error.errcode === SQLITE_UNIQUE) ||
    ('code' in error && error.code === POSTGRES_UNIQUE)
  );
}
