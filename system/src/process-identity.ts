import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process, safe against reuse of its number: `startTime` is field 22 of /proc/PID/stat, in clock ticks since boot. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

/** How long a process may take to end after SIGTERM before it gets SIGKILL, in ms. */
const TERMINATION_GRACE_MS = 5_000;
/** How long to wait for a killed process to vanish, in ms: longer means it hangs in the kernel. */
const KILL_GRACE_MS = 5_000;
const POLL_MS = 20;

/** Identifies a running process, or undefined if there is none with that number. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name, field 2, stands in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    const startTime = fields[19];
    return state === 'Z' || startTime === undefined ? undefined : { pid, startTime };
  } catch {
    return undefined;
  }
}

/** The running processes that have exactly this word among their arguments. */
export function findByArgument(argument: string): ProcessIdentity[] {
  return findByWord('cmdline', argument);
}

/** The running processes that were started with this variable, or by one that was. */
export function findByVariable(name: string, value: string): ProcessIdentity[] {
  return findByWord('environ', `${name}=${value}`);
}

function findByWord(file: 'cmdline' | 'environ', word: string): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && wordsOf(name, file).includes(word))
    .map((name) => identifyProcess(Number(name)))
    .filter((identity) => identity !== undefined);
}

function wordsOf(pid: string, file: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Whether that very process still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTime === identity.startTime;
}

/** Ends that very process: SIGTERM, then SIGKILL. Returns false if it hangs in the kernel. */
export async function endProcess(identity: ProcessIdentity): Promise<boolean> {
  for (const [signal, graceMs] of [
    ['SIGTERM', TERMINATION_GRACE_MS],
    ['SIGKILL', KILL_GRACE_MS],
  ] as const) {
    if (!isRunning(identity) || !send(identity.pid, signal)) return true;
    for (let waited = 0; waited < graceMs; waited += POLL_MS) {
      if (!isRunning(identity)) return true;
      await sleep(POLL_MS);
    }
  }
  return !isRunning(identity);
}

/** Returns false where the process has ended since it was looked at. */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
