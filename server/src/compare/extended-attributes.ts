import { run } from '@diskferry/system/run';

/** Names and values in hex, "0x..." as getfattr prints them. */
export type ExtendedAttributes = ReadonlyMap<string, string>;

const HEADER = '# file: ';

/**
 * Reads all extended attributes of files of any kind, those of the system such as access control lists included.
 *
 * @returns by path, each byte of which is one character; files without attributes are not in it
 */
export async function readExtendedAttributes(
  paths: readonly Buffer[],
): Promise<ReadonlyMap<string, ExtendedAttributes>> {
  const input = Buffer.concat(paths.flatMap((path) => [path, Buffer.alloc(1)]));
  const { stdout } = await run(
    ['xargs', '-0', 'getfattr', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names'],
    { input, encoding: 'latin1' },
  );
  return parseExtendedAttributes(stdout);
}

/** Reads the output of getfattr, which writes odd bytes of names as \ooo. */
export function parseExtendedAttributes(output: string): ReadonlyMap<string, ExtendedAttributes> {
  const found = new Map<string, Map<string, string>>();
  let current = new Map<string, string>();
  for (const line of output.split('\n')) {
    if (line.startsWith(HEADER)) {
      current = new Map();
      found.set(unescape(line.slice(HEADER.length)), current);
    } else if (line !== '') {
      const separator = line.lastIndexOf('=');
      const name = separator < 0 ? line : line.slice(0, separator);
      current.set(unescape(name), separator < 0 ? '0x' : line.slice(separator + 1));
    }
  }
  return found;
}

function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
