import type { ActivityBook } from './server/activity.ts';
import { activityText, type StatusState, statusText } from './status.ts';

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
  let status = '';
  let activity = '';
  let polls = 0;

  function update(): void {
    const newStatus = statusText(readState());
    if (newStatus !== status) print(newStatus);
    status = newStatus;
    if (polls++ % POLLS_PER_ACTIVITY !== 0) return;
    const newActivity = activityText(book.summary());
    if (newActivity !== activity) print(newActivity);
    activity = newActivity;
  }

  update();
  const timer = setInterval(update, pollMs);
  return { stop: () => clearInterval(timer) };
}
