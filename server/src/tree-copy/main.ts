import { writeSync } from 'node:fs';
import { copyFolderTree, DestinationFullError } from './tree-copier.ts';
import { EXIT_CODES } from './exit-codes.ts';

const STDOUT = 1;
const STDERR = 2;

/**
 * A process of its own, because it waits for the disk in system calls: SOURCE DESTINATION [DEVICE], two mounted folders, and
 * the device of the source where small files are to be read from it.
 */
const [source, destination, sourceDevice] = process.argv.slice(2) as [string, string, string?];
let problems = 0;
// Rights are copied as they are.
process.umask(0);
try {
  copyFolderTree(
    { source, destination, sourceDevice },
    {
      warn: (message) => writeSync(STDOUT, `${JSON.stringify(message)}\n`),
      problem: (message) => {
        problems += 1;
        writeSync(STDERR, `${message}\n`);
      },
    },
  );
  process.exitCode = problems > 0 ? EXIT_CODES.problems : EXIT_CODES.done;
} catch (error) {
  writeSync(STDERR, `${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof DestinationFullError ? EXIT_CODES.full : EXIT_CODES.problems;
}
