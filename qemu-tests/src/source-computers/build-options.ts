import type { Session } from '@diskferry/system/session';

/** What every step of a build needs. */
export interface BuildOptions {
  readonly session: Session;
  readonly signal: AbortSignal | undefined;
  /** Called with a line before each step that takes long. */
  readonly onProgress: (line: string) => void;
}
