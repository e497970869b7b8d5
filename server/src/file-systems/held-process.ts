import { identifyProcess, type ProcessIdentity } from '@diskferry/system/process-identity';
import type { Session } from '@diskferry/system/session';

/** Writes a command down in the session as long as it runs. */
export interface HeldProcess {
  /** For `onStart` of `run`. */
  readonly start: (pid: number) => void;
  /** Call it when the command has ended. */
  readonly end: () => void;
}

/** So that a clean-up after a killed capture can end the command, which would keep mounts busy. */
export function holdWhileRunning(session: Session, name: string): HeldProcess {
  let identity: ProcessIdentity | undefined;
  return {
    start: (pid) => {
      identity = identifyProcess(pid);
      if (identity !== undefined) session.hold({ kind: 'process', ...identity, name });
    },
    end: () => {
      if (identity !== undefined) session.drop({ kind: 'process', ...identity, name });
    },
  };
}
