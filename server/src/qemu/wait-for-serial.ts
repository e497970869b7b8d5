import { DiskferryError } from '@diskferry/system/errors';
import { formatDuration } from '@diskferry/system/units';
import type { MachineExit } from './qemu-process.ts';
import type { SerialConsole, SerialMatch } from './serial-console.ts';

const QUOTED_LINES = 15;

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Looks only at what comes after this place, such as the `end` of an earlier match; 0 by default. */
  readonly from?: number;
  /** Shows that the pattern will never come: ends the waiting at once. */
  readonly hopeless?: RegExp;
}

interface Watched {
  readonly name: string;
  readonly serial: SerialConsole;
  readonly serialLogPath: string;
  readonly exited: Promise<MachineExit>;
}

/** See `Machine.waitForSerial`. */
export async function waitForSerial(
  machine: Watched,
  pattern: RegExp,
  { timeoutMs, signal, from = 0, hopeless }: WaitOptions,
): Promise<SerialMatch> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const look = (): boolean => {
      const found = machine.serial.find(pattern, from);
      if (found !== undefined) finish(() => resolve(found));
      else if (hopeless !== undefined && machine.serial.find(hopeless, from) !== undefined) {
        fail('MACHINE_FAILED', `showed ${hopeless} instead of ${pattern}`);
        return true;
      }
      return found !== undefined;
    };
    const fail = (code: string, what: string): void => finish(() => reject(failure(machine, code, what)));
    const onAbort = (): void => finish(() => reject(signal?.reason as Error));
    const stopLooking = machine.serial.onChange(look);
    const timer = setTimeout(
      () => fail('MACHINE_SILENT', `did not show ${pattern} within ${formatDuration(timeoutMs)}`),
      timeoutMs,
    );
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      stopLooking();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    if (look()) return;
    const onExit = (exit: MachineExit): void => {
      if (!look()) fail('MACHINE_ENDED', `ended (${describeExit(exit)}) before it showed ${pattern}`);
    };
    void machine.exited.then(onExit);
  });
}

function failure({ name, serial, serialLogPath }: Watched, code: string, what: string): DiskferryError {
  const lines = serial.lastLines(QUOTED_LINES);
  const words = lines.length === 0 ? 'It printed nothing.' : `Its last lines were:\n${lines.join('\n')}`;
  return new DiskferryError(
    code,
    `the machine ${name} ${what} on its serial line (log: ${serialLogPath}). ${words}`,
  );
}

/** How a machine ended, in words. */
function describeExit({ exitCode, signal, stderr }: MachineExit): string {
  const how = signal === undefined ? `exit code ${exitCode}` : signal;
  return stderr.trim() === '' ? how : `${how}: ${stderr.trim()}`;
}
