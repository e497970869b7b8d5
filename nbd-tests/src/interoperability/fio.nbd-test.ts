import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { missing } from '../setup/programs.ts';
import { SECURITIES, serveFile } from './serve-file.ts';

interface FioReport {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: { readonly total_ios: number };
    readonly write: { readonly total_ios: number };
  }[];
}

/** What goes over the disk, several times. */
const IO_SIZE = '48m';

/** Runs fio and reads its report, which stands after what the engine says of its connections. */
async function runFio(folder: string, words: readonly string[]): Promise<FioReport> {
  const report = join(folder, 'report.json');
  await run(['fio', ...words, '--output-format=json', `--output=${report}`], { cwd: folder });
  const text = readFileSync(report, 'utf8');
  return JSON.parse(text.slice(text.indexOf('{'))) as FioReport;
}

for (const security of SECURITIES) {
  describe(`over ${security}`, () => {
    for (const [pattern, blocks, depth] of [
      ['randwrite', '4k', 16],
      ['randwrite', '512-64k', 16],
      ['write', '1m', 16],
      // One at a time: it trims a block and writes it then, and requests side by side are in no order.
      ['randtrimwrite', '4k', 1],
    ] as const) {
      test(`fio finds what it wrote: ${pattern} of ${blocks}`, { skip: missing('fio') }, async (t) => {
        const { uri, folder } = await serveFile(t, { security, writable: true });
        const blockSize = blocks.includes('-') ? [`--bsrange=${blocks}`] : [`--bs=${blocks}`];
        const report = await runFio(folder, [
          '--name=verify',
          '--ioengine=nbd',
          `--uri=${uri}`,
          `--rw=${pattern}`,
          ...blockSize,
          '--size=24m',
          `--io_size=${IO_SIZE}`,
          `--iodepth=${depth}`,
          '--verify=crc32c',
          '--verify_fatal=1',
          '--do_verify=1',
          '--randseed=1',
        ]);
        const [job] = report.jobs;
        assert.equal(job?.error, 0);
        assert.ok(job.write.total_ios > 0 && job.read.total_ios > 0, 'written, and read for the check');
      });
    }

    test('fio reads and writes mixed, 16 at a time, on several connections', {
      skip: missing('fio'),
    }, async (t) => {
      const { uri, folder } = await serveFile(t, { security, writable: true });
      const report = await runFio(folder, [
        '--name=mixed',
        '--ioengine=nbd',
        `--uri=${uri}`,
        '--rw=randrw',
        '--bs=4k',
        '--size=3m',
        '--offset_increment=3m',
        '--numjobs=8',
        '--thread',
        '--loops=2',
        '--iodepth=16',
        '--verify=crc32c',
        '--verify_fatal=1',
        '--group_reporting',
      ]);
      assert.equal(report.jobs[0]?.error, 0);
      assert.ok((report.jobs[0]?.write.total_ios ?? 0) > 0);
    });
  });
}
