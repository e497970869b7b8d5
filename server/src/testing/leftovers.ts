import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning } from '@diskferry/system/process-identity';
import type { Resource } from '@diskferry/system/resource';
import { run } from '@diskferry/system/run';

/** The processes that the sessions of a run folder (DISKFERRY_RUN) hold now. */
export function heldProcesses(runFolder: string): Extract<Resource, { kind: 'process' }>[] {
  return (
    readdirSync(runFolder)
      // Behind the last line end may stand a line that is just being written.
      .flatMap((id) =>
        readFileSync(join(runFolder, id, 'held.jsonl'), 'utf8')
          .split('\n')
          .slice(0, -1),
      )
      .map((line) => (JSON.parse(line) as { hold?: Resource }).hold)
      .filter((resource) => resource?.kind === 'process')
  );
}

/** What still exists of a run folder's work: mounts, loop devices, processes, session folders. Empty if all is well. */
export async function leftovers(
  runFolder: string,
  processes: ReturnType<typeof heldProcesses>,
): Promise<string[]> {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const { stdout } = await run(['losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
  return [
    ...mounts.filter((line) => line.includes(runFolder)),
    ...stdout.split('\n').filter((line) => line.includes(runFolder)),
    ...processes.filter(isRunning).map(({ pid, name }) => `process ${pid} ${name}`),
    ...commandLines().filter((line) => line.includes(runFolder)),
    ...readdirSync(runFolder),
  ];
}

/** The command lines of all processes: qemu-nbd and its like name a socket in the run folder. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
}
