import { v7 as uuidV7 } from 'uuid';

/** A new id. Later ones sort after earlier ones, within one process strictly: those of Node do not within a millisecond. */
export function newId(): string {
  return uuidV7();
}

/** The time as the database keeps it: ISO 8601, UTC, milliseconds. */
export function now(): string {
  return new Date().toISOString();
}
