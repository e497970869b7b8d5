import { UsageError } from '@diskferry/system/errors';
import type { Invocation } from './command.ts';

/**
 * What a job is told, from words such as `verify=true`, `computer=web1`, `sizeBytes=1000`; a value that is no JSON is a text.
 *
 * @throws {UsageError}
 */
export function specOf(words: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(words.map(readWord));
}

function readWord(text: string): [string, unknown] {
  const [, name, value = ''] = /^([A-Za-z]\w*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`a word of a job is written NAME=VALUE, not "${text}"`);
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

/** Larger ones come first; undefined where none is given. @throws {UsageError} */
export function priorityOption({ values }: Invocation): number | undefined {
  const text = values.get('priority');
  if (text === undefined) return undefined;
  if (/^-?\d{1,4}$/.test(text)) return Number(text);
  throw new UsageError(`--priority takes a whole number, not "${text}"`);
}
