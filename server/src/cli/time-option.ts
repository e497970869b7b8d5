import { UsageError } from '@diskferry/system/errors';
import type { Invocation } from './command.ts';

/** A time as the API takes it; undefined where none is given. @throws {UsageError} */
export function timeOption({ values }: Invocation, name: string): string | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  throw new UsageError(`--${name} takes a time such as 2027-01-31T03:00:00Z, not "${text}"`);
}
