/** One property that is not the same in a source and its copy. */
export interface Difference {
  /** Path inside the file system, one character a byte; empty for what belongs to the volume as a whole. */
  readonly path: string;
  /** In the words of the file system: "content", "owner", "attribute user.text", "bytes 4096 to 8191" ... */
  readonly property: string;
  readonly left: string;
  readonly right: string;
  /** Of the volume and of no file in it: it depends on the disk for which it was made, or changes when it is mounted. */
  readonly isSetting?: true;
}

/** More are worth nothing to a reader, and a copy of another disk would have millions. */
const MOST_DIFFERENCES = 1000;

/** Collects differences; the last one says that there are more, where there are very many. */
export async function collectDifferences(
  found: AsyncIterable<Difference> | Iterable<Difference>,
  most = MOST_DIFFERENCES,
): Promise<Difference[]> {
  const differences: Difference[] = [];
  for await (const difference of found) {
    if (differences.length === most) {
      return [...differences, { path: '', property: 'further differences', left: 'not listed', right: '' }];
    }
    differences.push(difference);
  }
  return differences;
}
