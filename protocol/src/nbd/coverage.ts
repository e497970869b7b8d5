/** Which parts of a range have been filled, when they come in any order. */
export class Coverage {
  /** Apart from each other, in ascending order; neighbours are joined. */
  readonly #ranges: { start: number; end: number }[] = [];

  /** Adds a part; false if some of it was there before. */
  add(start: number, end: number): boolean {
    const ranges = this.#ranges;
    // Servers send the parts in order, so that the place is nearly always at the end.
    let index = ranges.length;
    while (index > 0 && (ranges[index - 1]?.start ?? 0) >= start) index--;
    const before = ranges[index - 1];
    const after = ranges[index];
    if ((before !== undefined && before.end > start) || (after !== undefined && after.start < end))
      return false;
    const joinsBefore = before?.end === start;
    const joinsAfter = after?.start === end;
    if (before !== undefined && joinsBefore) {
      before.end = after !== undefined && joinsAfter ? after.end : end;
      if (joinsAfter) ranges.splice(index, 1);
    } else if (after !== undefined && joinsAfter) {
      after.start = start;
    } else {
      ranges.splice(index, 0, { start, end });
    }
    return true;
  }

  /** Whether everything from 0 to `length` is there. */
  isComplete(length: number): boolean {
    const [first] = this.#ranges;
    return first?.start === 0 && first.end === length;
  }
}
