import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { run } from '@diskferry/system/run';
import { sessionsFolder } from './own-sessions.ts';

/** Fails if any mount, loop device or process of these tests' sessions is left. */
export async function assertNothingIsLeft(): Promise<void> {
  assert.deepEqual(
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(sessionsFolder)),
    [],
    'mounts are left',
  );
  const { stdout } = await run(['losetup', '--list', '--noheadings', '--output', 'NAME,BACK-FILE']);
  assert.deepEqual(
    stdout.split('\n').filter((line) => line.includes(sessionsFolder)),
    [],
    'loop devices are left',
  );
  assert.deepEqual(processesOfTests(), [], 'processes are left');
}

/** Command lines of processes that name a session of these tests, or hold a file in one open. */
function processesOfTests(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => ({ pid, commandLine: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') }))
    .filter(({ pid, commandLine }) => {
      const isAdapter = commandLine.includes('adapter-process.ts');
      const isOurs = read(`/proc/${pid}/environ`).includes(`DISKFERRY_RUN=${sessionsFolder}`);
      return commandLine.includes(sessionsFolder) || (isAdapter && isOurs);
    })
    .map(({ commandLine }) => commandLine);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
