import { readFile } from 'node:fs/promises';
import { run } from '@diskferry/system/run';
import type { CopyContext } from './file-system.ts';

/** Here libattr, and so cp, learns which extended attributes it shall not copy (attr_copy_file(3)). */
const CONFIGURATION = '/etc/xattr.conf';

/** Copies the extended attributes that the host's configuration makes cp leave out, such as security.evm. */
export async function carrySkippedAttributes(
  source: string,
  destination: string,
  { signal }: CopyContext,
): Promise<void> {
  const names = parseSkippedNames(await readFile(CONFIGURATION, 'utf8').catch(() => ''));
  if (names.length === 0) return;
  const { stdout } = await run(
    ['getfattr', '-R', '-P', '-h', '-d', '-e', 'hex', '-m', namePattern(names), '.'],
    { cwd: source, signal, encoding: 'latin1' },
  );
  if (stdout === '') return;
  const input = Buffer.from(stdout, 'latin1');
  await run(['setfattr', '-h', '--restore=-'], { cwd: destination, input, signal });
}

/** The shell patterns of the names whose action is "skip". */
export function parseSkippedNames(configuration: string): string[] {
  return configuration
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
    .filter(([, action]) => action === 'skip')
    .map(([name = '']) => name);
}

/** One extended regular expression for all these shell patterns. */
export function namePattern(names: readonly string[]): string {
  const escaped = names.map((name) => name.replaceAll(/[.+^$(){}|\\]/g, '\\$&').replaceAll('*', '.*'));
  return `^(${escaped.join('|')})$`;
}
