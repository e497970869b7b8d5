import { UsageError } from '@diskferry/system/errors';
import type { Invocation } from './command.ts';

/** As many as one page of the API has. */
const MAX_LIMIT = 1000;

/** A number of things in a list. @throws {UsageError} */
export function limitOption({ values }: Invocation): number | undefined {
  const text = values.get('limit');
  if (text === undefined) return undefined;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new UsageError(`--limit takes a number from 1 to ${MAX_LIMIT}, not "${text}"`);
}
