import { statusText } from '../status.ts';
import type { Picture } from '../screen.ts';

const HOME = '\u001b[H';
const END_OF_LINE = '\u001b[K';
const END_OF_SCREEN = '\u001b[J';
const SHOW_CURSOR = '\u001b[?25h';
const HIDE_CURSOR = '\u001b[?25l';
const DEFAULT_ROWS = 25;
const DEFAULT_COLUMNS = 80;
/** What a dialogue has said, as far as the page still has room for the rest. */
const MAX_DIALOGUE_LINES = 8;

export interface PageOptions {
  readonly size: { readonly columns: number; readonly rows: number };
  readonly keys: readonly string[];
  /** What a dialogue has said. */
  readonly said: readonly string[];
  /** The question and what is typed so far, behind which the cursor stands. */
  readonly prompt: string | undefined;
}

/** What draws a page over the one before, without a flicker: no line is empty before it is written. */
export function drawPage({ state, activity }: Picture, { size, keys, said, prompt }: PageOptions): string {
  // The last column stays free: some terminals go to the next line when it is written.
  const columns = (size.columns || DEFAULT_COLUMNS) - 1;
  const rows = size.rows || DEFAULT_ROWS;
  const below = [...said, ...(prompt === undefined ? [] : [prompt])].slice(-MAX_DIALOGUE_LINES);
  const text = statusText(state, { columns, rows: rows - below.length, keys, activity });
  const lines = [
    ...text
      .trimEnd()
      .split('\n')
      .slice(0, rows - below.length),
    ...below,
  ];
  const drawn = lines.map((line) => line.slice(0, columns) + END_OF_LINE).join('\r\n');
  return `${HIDE_CURSOR}${HOME}${drawn}${END_OF_SCREEN}${prompt === undefined ? '' : SHOW_CURSOR}`;
}

/** Leaves the terminal as others expect it. */
export const LEAVE_PAGE = `${HOME}${END_OF_SCREEN}${SHOW_CURSOR}`;
