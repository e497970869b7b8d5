import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Two pipelines at either end add more than the ten that Node takes for a leak. */
const MAX_LISTENERS = 32;

/**
 * Carries bytes between two connections until both directions have ended. A side that reads slowly slows the other one
 * down, the end of a direction is passed on, and what breaks one connection breaks the other. Never rejects.
 */
export async function splice(one: Duplex, other: Duplex): Promise<void> {
  for (const stream of [one, other]) stream.setMaxListeners(MAX_LISTENERS);
  try {
    await Promise.all([pipeline(one, other), pipeline(other, one)]);
  } catch {
    // Whoever was cut off notices by itself; there is nobody else to tell.
  } finally {
    one.destroy();
    other.destroy();
  }
}
