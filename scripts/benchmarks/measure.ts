import { formatBytes } from '@diskferry/system/units';

/** Odd, so that the median is a run; more where runs are short, to even out a noisy machine. */
const RUNS = Number(process.env['DISKFERRY_BENCH_RUNS'] ?? 7);

/** One of the things compared. */
export interface Contender {
  readonly name: string;
  /** How fast we must be against it: our speed divided by its speed. */
  readonly target?: number;
  /** Does the work once. Returns the seconds that count, if not all of it does. */
  run(): Promise<number | void>;
}

/** What is counted: bytes or operations. */
export interface Work {
  readonly amount: number;
  readonly unit: 'bytes' | 'operations';
}

interface Result extends Pick<Contender, 'name' | 'target'> {
  /** Median, in seconds. */
  readonly seconds: number;
  readonly fastest: number;
  readonly slowest: number;
  /** Our speed divided by its speed, the median of what each round gave. */
  readonly ratio: number;
}

/**
 * Times the contenders in rounds, after one to warm up, and compares the times of one round with each other: a machine
 * whose speed drifts is unfair to none. Every other round goes backwards, because what runs after a certain neighbour
 * may gain by it. The first contender is ours.
 */
export async function compare(contenders: readonly Contender[]): Promise<Result[]> {
  const rounds: number[][] = [];
  for (let round = 0; round <= RUNS; round++) {
    const times = Array.from({ length: contenders.length }, () => 0);
    const order = [...contenders.entries()];
    for (const [index, contender] of round % 2 === 0 ? order : order.toReversed()) {
      const begin = performance.now();
      const told = await contender.run();
      times[index] = told ?? (performance.now() - begin) / 1000;
    }
    if (round > 0) rounds.push(times);
  }
  return contenders.map(({ name, target }, index) => {
    const times = rounds.map((round) => round[index] as number);
    return {
      name,
      ...(target === undefined ? {} : { target }),
      seconds: median(times),
      fastest: Math.min(...times),
      slowest: Math.max(...times),
      ratio: median(rounds.map((round) => (round[index] as number) / (round[0] as number))),
    };
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] as number;
}

/** A Markdown table. */
export function table(title: string, work: Work, results: readonly Result[]): string {
  const rows = results.map(({ name, target, seconds, fastest, slowest, ratio }) => {
    const wanted =
      target === undefined ? '' : `${target.toFixed(1)}: ${ratio >= target ? 'reached' : 'MISSED'}`;
    const times = `${seconds.toFixed(2)} | ${fastest.toFixed(2)}–${slowest.toFixed(2)}`;
    return `| ${name} | ${times} | ${rate(work, seconds)} | ${ratio.toFixed(2)} | ${wanted} |`;
  });
  return [
    `### ${title}`,
    '',
    '| | seconds, median | fastest–slowest | rate | our speed ÷ its speed | target |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function rate({ amount, unit }: Work, seconds: number): string {
  if (unit === 'bytes') return `${formatBytes(Math.round(amount / seconds))}/s`;
  return `${Math.round(amount / seconds)} a second`;
}
