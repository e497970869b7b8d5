import { UsageError } from '@diskferry/system/errors';
import type { Invocation } from './command.ts';

/** The tag that a list is narrowed to. @throws {UsageError} for several: the API takes one */
export function onlyTag({ lists }: Invocation): string | undefined {
  const [tag, ...others] = lists.get('tag') ?? [];
  if (others.length > 0) throw new UsageError('list takes one --tag');
  return tag;
}
