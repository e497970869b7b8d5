import { randomUUIDv7 } from 'node:crypto';

/** A new id. Later ones sort after earlier ones, within one process strictly. */
export function newId(): string {
  return randomUUIDv7();
}

/** The time as the database keeps it: ISO 8601, UTC, milliseconds. */
export function now(): string {
  return new Date().toISOString();
}
