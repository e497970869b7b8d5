import { run } from '@diskferry/system/run';

/** Reads of one run. */
export const RANDOM_READS = Number(process.env['DISKFERRY_BENCH_READS'] ?? 60_000);

/**
 * Reads 4 KiB at random places, 16 at a time.
 *
 * @param words fio's words for what is read
 * @returns the seconds that the reads took, without fio's start
 */
export async function randomReads(words: readonly string[], bytes: number): Promise<number> {
  const { stdout } = await run([
    'fio',
    '--name=random',
    '--rw=randread',
    '--bs=4k',
    '--iodepth=16',
    '--norandommap',
    `--size=${bytes}`,
    `--io_size=${RANDOM_READS * 4096}`,
    '--output-format=json',
    ...words,
  ]);
  const report = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
    readonly jobs: readonly { readonly read: { readonly runtime: number; readonly total_ios: number } }[];
  };
  const [job] = report.jobs;
  if (job?.read.total_ios !== RANDOM_READS) throw new Error(`fio read ${job?.read.total_ios} blocks`);
  return job.read.runtime / 1000;
}
