import { Pool, types } from 'pg';

/** PostgreSQL's number of the type bigint (pg_type.dat). */
const INT8 = 20;
/** Connections of one server. */
const MAX_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 10_000;
/** A statement that runs longer is ended by PostgreSQL; no query of ours takes a second. */
const STATEMENT_TIMEOUT_MS = 60_000;

/**
 * Connections to PostgreSQL. Whole numbers of 64 bits come as numbers: sizes of disks are below 2^53.
 *
 * @param url as libpq takes it: `postgresql://user:password@host/database`, or with a socket folder: `?host=/folder`
 */
export function openPostgresPool(url: string): Pool {
  const pool = new Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    application_name: 'diskferry',
    types: { getTypeParser: parserOf },
  });
  // A connection that PostgreSQL ends (a restart) is replaced at the next query; a query on it tells of it by itself.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

function parserOf(oid: number, format?: 'text' | 'binary'): unknown {
  return oid === INT8 ? Number : types.getTypeParser(oid, format);
}
