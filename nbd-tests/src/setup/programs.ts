import { extendPath, hasTool } from '@diskferry/system/tools';

extendPath();

/** A reason to skip a test, if one of its programs is not installed; `scripts/setup` installs all of them. */
export function missing(...programs: string[]): string | false {
  const absent = programs.filter((program) => !hasTool(program));
  return absent.length === 0 ? false : `not installed: ${absent.join(', ')}`;
}

/** A reason to skip a test that mounts something or makes a network namespace. */
export const notRoot: string | false = process.getuid?.() === 0 ? false : 'needs root';
