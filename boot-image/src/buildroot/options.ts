import { DiskferryError } from '@diskferry/system/errors';

/** One line of a defconfig or of a fragment: what somebody wants an option to be. */
export interface WantedOption {
  /** Such as CONFIG_E1000E or BR2_INIT_NONE. */
  readonly name: string;
  /** As it stands behind the equals sign, with its quotes; undefined for "is not set". */
  readonly value: string | undefined;
  /** FILE:LINE. */
  readonly where: string;
}

const SET = /^([A-Z][A-Z0-9]*_\w+)=(y|m|-?\d+|0x[\da-f]+|"[^"]*")$/i;
const NOT_SET = /^# ([A-Z][A-Z0-9]*_\w+) is not set$/i;

/**
 * Reads a defconfig or a configuration fragment, in the form that kconfig writes.
 *
 * @param file its name, for messages
 * @throws {DiskferryError} `OPTIONS` for a line that kconfig would take for something else, or would not take
 */
export function parseOptions(text: string, file: string): WantedOption[] {
  return text.split('\n').flatMap((line, index): WantedOption[] => {
    const where = `${file}:${index + 1}`;
    const [, notSet] = NOT_SET.exec(line) ?? [];
    if (notSet !== undefined) return [{ name: notSet, value: undefined, where }];
    const [, name, value] = SET.exec(line) ?? [];
    if (name !== undefined && value !== undefined) return [{ name, value, where }];
    // kconfig takes what looks like "is not set" for a comment, and lets the option be.
    if (line === '' || (line.startsWith('#') && !line.includes('is not set'))) return [];
    throw new DiskferryError(
      'OPTIONS',
      `${where}: "${line}" is neither NAME=VALUE nor "# NAME is not set" nor a comment`,
    );
  });
}
