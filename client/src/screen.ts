import { debuglog } from 'node:util';
import type { ActivityBook } from './server/activity.ts';
import type { StatusState } from './status.ts';
import { ActivityMeter, type MeasuredActivity } from './status-activity.ts';

const debug = debuglog('diskferry:screen');

/** How often disks and addresses are looked at; a change is shown that late, in ms. */
const POLL_MS = 2_000;

/** All that a screen can show of one moment. */
export interface Picture {
  readonly state: StatusState;
  readonly activity: readonly MeasuredActivity[];
}

/** A terminal, or whatever else shows how it stands. */
export interface View {
  show(picture: Picture): void;
}

export interface ScreenOptions {
  readonly readState: () => StatusState;
  readonly book: ActivityBook;
  readonly views: readonly View[];
  readonly pollMs?: number;
  /** A clock that never jumps, in ms. */
  readonly now?: () => number;
}

/** Has the status shown now and every few seconds. */
export function startScreen({
  readState,
  book,
  views,
  pollMs = POLL_MS,
  now = () => performance.now(),
}: ScreenOptions): { stop(): void } {
  const meter = new ActivityMeter();
  function update(): void {
    const picture = { state: readState(), activity: meter.measure(book.summary(), now()) };
    for (const view of views) view.show(picture);
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
