import { readFileSync } from 'node:fs';
import { UsageError } from '@diskferry/system/errors';
import type { CliOption, Invocation } from './command.ts';

export const PASSPHRASE_OPTION: CliOption = {
  name: 'passphrase-file',
  value: 'FILE',
  help: 'opens LUKS volumes with the passphrase in FILE',
};

/**
 * The first line, as cryptsetup reads a passphrase; it does not end in the line's end.
 *
 * @throws {UsageError} when the file cannot be read
 */
export function passphraseOption({ values }: Invocation): string | undefined {
  const path = values.get(PASSPHRASE_OPTION.name);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').split('\n', 1)[0] ?? '';
  } catch (error) {
    throw new UsageError(`--${PASSPHRASE_OPTION.name} cannot be read: ${(error as Error).message}`);
  }
}
