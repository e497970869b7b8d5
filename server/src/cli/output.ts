/** What a terminal takes for commands; a tab and the end of a line are none. */
const CONTROL = new RegExp(String.raw`[\u0000-\u0008\u000b-\u001f\u007f-\u009f]`, 'g');

/**
 * A text without characters that a terminal takes for commands. Models of disks, names of files and messages come from
 * strangers.
 */
export function printable(text: string): string {
  return text.replaceAll(CONTROL, '\u{fffd}');
}

/** Writes to standard output; a reader that goes away (a closed pipe) is no error. */
export function print(text: string): void {
  const shown = printable(text);
  process.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`);
}

/** Writes to standard error, where progress and warnings go. */
export function printNote(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${jsonText(value, 2)}\n`);
}

/** One of many values, each in a line of its own. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${jsonText(value)}\n`);
}

/** The same value for programs, and no commands for a terminal: JSON itself escapes only those below U+0020. */
export function jsonText(value: unknown, indent?: number): string {
  const escaped = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, undefined, indent).replaceAll(CONTROL, escaped);
}

/** Rows in columns of equal width; `right` names the columns that are aligned to the right. */
export function formatTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What was done, as a sentence, or as JSON where that is asked for. @returns the exit code */
export function tellDone(value: unknown, sentence: string, flags: ReadonlySet<string>): number {
  if (flags.has('json')) printJson(value);
  else print(sentence);
  return 0;
}
