/** Lines of whole words, at most `columns` wide; a word that is longer than a line is broken. */
export function wrap(
  sentence: string,
  { columns, first = '', rest = '' }: { columns: number; first?: string; rest?: string },
): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of breakWords(sentence, columns - rest.length)) {
    if (!isEmpty && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = rest;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}

function breakWords(sentence: string, width: number): string[] {
  return sentence
    .split(' ')
    .flatMap((word) =>
      word.length <= width ? [word] : (word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []),
    );
}

export function cut(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, columns - 3)}...`;
}

/** The first entries, and how many more there are. */
export function shorten(
  entries: readonly (readonly string[])[],
  max: number,
  what: string,
): readonly string[] {
  if (entries.length <= max) return entries.flat();
  return [...entries.slice(0, max - 1).flat(), `  and ${entries.length - max + 1} more ${what}`];
}
