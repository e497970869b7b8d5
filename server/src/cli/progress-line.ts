import { formatBytes, formatDuration } from '@diskferry/system/units';
import { printable } from './output.ts';

/** How often a terminal line is redrawn, in ms. */
const REDRAW_MS = 250;
/** How often a line goes into a log that is no terminal, in ms. */
const LOG_EVERY_MS = 10_000;
/** Before this time a rate says nothing, in ms. */
const RATE_AFTER_MS = 1_000;

export interface Progress {
  /** What is being done now, in a few words. */
  step(title: string): void;
  /** Bytes done of all, since the start. */
  update(doneBytes: number): void;
  end(): void;
}

interface ProgressState {
  readonly title: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Before the time that has elapsed. */
  readonly startBytes?: number;
  readonly elapsedMs: number;
}

/** What a program that started us reads of a progress: one line of JSON. */
export interface ProgressReport {
  readonly step: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Progress on standard error: one line redrawn on a terminal, now and then a line in a log; for programs, lines of JSON.
 *
 * @param totalBytes 0 where it is not known yet
 * @param options `startBytes`: what was done before we came
 */
export function startProgress(
  totalBytes: number,
  { stream = process.stderr, now = Date.now, asJson = false, startBytes = 0 } = {},
): Progress {
  const startMs = now();
  let title = '';
  let doneBytes = startBytes;
  let shownMs = startMs;
  const state = (): ProgressState => ({
    title,
    doneBytes,
    totalBytes,
    startBytes,
    elapsedMs: now() - startMs,
  });
  const line = (): string => {
    if (!asJson) return `${formatProgress(state())}\n`;
    return `${JSON.stringify({ step: title, doneBytes, totalBytes } satisfies ProgressReport)}\n`;
  };
  const isTerminal = stream.isTTY && !asJson;
  const showEveryMs = isTerminal || asJson ? REDRAW_MS : LOG_EVERY_MS;
  const show = (): void => {
    shownMs = now();
    stream.write(isTerminal ? `\r\u001B[K${formatProgress(state())}` : line());
  };
  return {
    step(newTitle) {
      title = newTitle;
      show();
    },
    update(bytes) {
      doneBytes = bytes;
      if (now() - shownMs >= showEveryMs) show();
    },
    end() {
      if (isTerminal) stream.write('\r\u001B[K');
    },
  };
}

/** For example ` 43%  1.2 GB of 2.8 GB  35.1 MB/s  45 s left  partition 2: copy files`. */
export function formatProgress({
  title,
  doneBytes,
  totalBytes,
  startBytes = 0,
  elapsedMs,
}: ProgressState): string {
  if (totalBytes === 0) return printable(title);
  // Estimates may be a little low: what is done is never more than all.
  const done = Math.min(doneBytes, totalBytes);
  const percent = Math.floor((100 * done) / totalBytes);
  const words = [`${String(percent).padStart(3)}%`, `${formatBytes(done)} of ${formatBytes(totalBytes)}`];
  if (elapsedMs >= RATE_AFTER_MS && done > startBytes) {
    const bytesPerMs = (done - startBytes) / elapsedMs;
    words.push(`${formatBytes(Math.round(bytesPerMs * 1000))}/s`);
    words.push(`${formatDuration((totalBytes - done) / bytesPerMs)} left`);
  }
  return [...words, printable(title)].join('  ');
}
