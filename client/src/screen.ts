import { debuglog } from 'node:util';
import type { ActivityBook } from './server/activity.ts';
import { activityText, type StatusState, statusText } from './status.ts';

const debug = debuglog('diskferry:screen');

/** How often disks and addresses are looked at; a change is shown that late, in ms. */
const POLL_MS = 2_000;
/** Bytes that change all the time are shown every so many polls. */
const POLLS_PER_ACTIVITY = 2;

export interface ScreenOptions {
  readonly readState: () => StatusState;
  readonly book: ActivityBook;
  readonly print: (text: string) => void;
  readonly pollMs?: number;
}

/** Prints the status now and whenever it changes, and what servers do while they do it. */
export function startScreen({ readState, book, print, pollMs = POLL_MS }: ScreenOptions): { stop(): void } {
  const printStatus = onChange(() => statusText(readState()), print);
  const printActivity = onChange(() => activityText(book.summary()), print);
  let polls = 0;
  function update(): void {
    printStatus();
    if (polls++ % POLLS_PER_ACTIVITY === 0) printActivity();
  }

  update();
  const timer = setInterval(() => {
    try {
      update();
    } catch (error) {
      // The disks are served all the same, and the next poll may succeed.
      debug('%s', error instanceof Error ? error.message : error);
    }
  }, pollMs);
  return { stop: () => clearInterval(timer) };
}

function onChange(read: () => string, print: (text: string) => void): () => void {
  let last = '';
  return () => {
    const text = read();
    if (text !== last) print(text);
    last = text;
  };
}
