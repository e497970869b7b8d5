import { parseArgs } from 'node:util';
import { messageOf } from '@diskferry/system/errors';
import { compareTrees, type Difference } from './compare-trees.ts';

const USAGE = `usage: compare [--no-access-times] FOLDER FOLDER

Compares two trees in every property that a copy of a file system has to keep. Prints one line a difference.
Exit code 0: no difference, 1: differences, 2: the comparison failed.
`;

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`compare: ${messageOf(error)}\n`);
  return 2;
});

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'no-access-times': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [left, right, ...others] = positionals;
  if (values.help || left === undefined || right === undefined || others.length > 0) {
    process.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const differences = await compareTrees(left, right, { accessTimes: !values['no-access-times'] });
  for (const difference of differences) process.stdout.write(`${lineOf(difference)}\n`);
  return differences.length === 0 ? 0 : 1;
}

/** Paths as JSON strings, so that a newline in a name makes no second line. */
function lineOf({ path, property, left, right }: Difference): string {
  const name = JSON.stringify(Buffer.from(path, 'latin1').toString());
  return `${name}: ${property}: ${left} | ${right}`;
}
