/* Makes both source computers, with progress lines: for demonstrations, and to fill the cache before tests. */
import { makeSourceComputer } from './source-computer.ts';

for (const kind of ['bios-mbr', 'uefi-gpt'] as const) {
  const computer = await makeSourceComputer(kind, {
    onProgress: (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(`${JSON.stringify(computer)}\n`);
}
