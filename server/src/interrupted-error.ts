import { DiskferryError } from '@diskferry/system/errors';

/** Exit codes of programs ended by a signal are 128 plus its number (POSIX shells). */
export const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The user or the system asked to stop; everything held is released before the program ends. */
export class InterruptedError extends DiskferryError {
  readonly exitCode: number;

  constructor(signal: keyof typeof SIGNALS) {
    super('INTERRUPTED', `stopped by ${signal}; everything was released`);
    this.exitCode = SIGNALS[signal];
  }
}
