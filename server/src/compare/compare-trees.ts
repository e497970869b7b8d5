import { collectDifferences, type Difference } from './difference.ts';
import { type DescribeOptions, describeTree, type FileRecord, UNREADABLE } from './describe-tree.ts';
import { comparePaths } from './walk-tree.ts';

export type { Difference } from './difference.ts';

/**
 * Compares two trees in every property that a copy of a file system has to keep; see `describeTree`. It takes little
 * memory, however many files there are.
 */
export async function compareTrees(
  leftFolder: string,
  rightFolder: string,
  options: DescribeOptions = {},
): Promise<Difference[]> {
  const right = { ...options, onBytes: undefined };
  return collectDifferences(
    compareRecords(describeTree(leftFolder, options), describeTree(rightFolder, right)),
  );
}

/** Records in batches, in the order of `comparePaths`. */
export type Records = AsyncIterable<readonly FileRecord[]>;

/** Compares two trees record by record. What is in a folder that one side does not have is not told file by file. */
export async function* compareRecords(leftSide: Records, rightSide: Records): AsyncGenerator<Difference> {
  const [left, right] = [cursorOf(leftSide), cursorOf(rightSide)];
  const partners = pairInodes();
  const missing = { folder: '' };
  try {
    // Both sides read at the same time.
    let [a, b] = await Promise.all([left.next(), right.next()]);
    while (a !== undefined || b !== undefined) {
      const order = orderOf(a, b);
      if (a !== undefined && b !== undefined && order === 0) {
        yield* compareFacts(a, b);
        yield* partners.compare(a, b);
        [a, b] = await Promise.all([left.next(), right.next()]);
      } else if (a !== undefined && order < 0) {
        yield* oneSided(a, 'left', missing);
        a = await left.next();
      } else if (b !== undefined) {
        yield* oneSided(b, 'right', missing);
        b = await right.next();
      }
    }
  } finally {
    await Promise.all([left.end(), right.end()]);
  }
}

function orderOf(a: FileRecord | undefined, b: FileRecord | undefined): number {
  if (a === undefined) return 1;
  return b === undefined ? -1 : comparePaths(a.path, b.path);
}

interface Cursor {
  /** The next record, or undefined at the end. */
  readonly next: () => Promise<FileRecord | undefined>;
  readonly end: () => Promise<unknown>;
}

function cursorOf(records: Records): Cursor {
  const batches = records[Symbol.asyncIterator]();
  let batch: readonly FileRecord[] = [];
  let index = 0;
  return {
    next: async () => {
      while (index >= batch.length) {
        const { done, value } = await batches.next();
        if (done === true) return undefined;
        batch = value;
        index = 0;
      }
      return batch[index++];
    },
    end: async () => batches.return?.(),
  };
}

function* oneSided(
  { path, facts }: FileRecord,
  side: 'left' | 'right',
  missing: { folder: string },
): Generator<Difference> {
  if (missing.folder !== '' && path.startsWith(missing.folder)) return;
  missing.folder = facts['type'] === 'folder' ? `${path}/` : '';
  const [left, right] = side === 'left' ? ['exists', 'missing'] : ['missing', 'exists'];
  yield { path, property: 'existence', left, right };
}

/** What is known only of files whose contents were read: of several names of a file, the first one. */
const OF_CONTENTS: ReadonlySet<string> = new Set(['content', 'holes']);

function* compareFacts(
  { path, facts: left }: FileRecord,
  { facts: right }: FileRecord,
): Generator<Difference> {
  // What is of another kind differs in so much else that only the kind is worth telling.
  const sameKind = left['type'] === right['type'];
  for (const property of sameKind ? new Set([...Object.keys(left), ...Object.keys(right)]) : ['type']) {
    const [a, b] = [left[property], right[property]];
    if (a === b && a?.startsWith(UNREADABLE) !== true) continue;
    if (OF_CONTENTS.has(property)) {
      // A file of another size has other contents, of course.
      if (a === undefined || b === undefined || left['size'] !== right['size']) continue;
    }
    yield { path, property, left: a ?? 'missing', right: b ?? 'missing' };
  }
}

/** Checks that names of one file on one side are names of one file on the other. */
function pairInodes(): { compare: (a: FileRecord, b: FileRecord) => Generator<Difference> } {
  const rightOf = new Map<number | string, number | string>();
  const leftOf = new Map<number | string, number | string>();
  return {
    compare: function* (a, b) {
      if (a.links === 1 && b.links === 1) return;
      const [right, left] = [rightOf.get(a.inode) ?? b.inode, leftOf.get(b.inode) ?? a.inode];
      rightOf.set(a.inode, right);
      leftOf.set(b.inode, left);
      if (right === b.inode && left === a.inode) return;
      const told = ({ links }: FileRecord): string => `one of ${links} names of another file`;
      yield { path: a.path, property: 'hard links', left: told(a), right: told(b) };
    },
  };
}
