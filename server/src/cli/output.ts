/** Writes to standard output; a reader that goes away (a closed pipe) is no error. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Writes to standard error, where progress and warnings go. */
export function printNote(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
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
