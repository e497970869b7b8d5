import { formatBytes } from '@diskferry/system/units';

/** Odd, so that the median is a run. */
const RUNS = 5;

/** One of the things compared. */
export interface Contender {
  readonly name: string;
  run(): Promise<void>;
}

interface Result {
  readonly name: string;
  /** Median, in seconds. */
  readonly seconds: number;
  readonly fastest: number;
  readonly slowest: number;
}

/**
 * Times the contenders in turn, A B C A B C …, after one round to warm up, so that a machine whose speed drifts is
 * unfair to none.
 */
export async function compare(contenders: readonly Contender[]): Promise<Result[]> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round <= RUNS; round++) {
    for (const [index, contender] of contenders.entries()) {
      const begin = performance.now();
      await contender.run();
      if (round > 0) times[index]?.push((performance.now() - begin) / 1000);
    }
  }
  return contenders.map(({ name }, index) => {
    const sorted = (times[index] ?? []).toSorted((left, right) => left - right);
    return {
      name,
      seconds: sorted[Math.floor(sorted.length / 2)] as number,
      fastest: sorted[0] as number,
      slowest: sorted.at(-1) as number,
    };
  });
}

/** A Markdown table; speed and ratio are relative to the first row, which is ours. */
export function table(title: string, bytes: number, results: readonly Result[]): string {
  const [ours] = results;
  const rows = results.map(({ name, seconds, fastest, slowest }) => {
    const rate = `${formatBytes(Math.round(bytes / seconds))}/s`;
    const ratio = ours === undefined ? '' : (seconds / ours.seconds).toFixed(2);
    return `| ${name} | ${seconds.toFixed(2)} | ${fastest.toFixed(2)}–${slowest.toFixed(2)} | ${rate} | ${ratio} |`;
  });
  return [
    `### ${title}`,
    '',
    '| | seconds, median | fastest–slowest | rate | our speed ÷ its speed |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
