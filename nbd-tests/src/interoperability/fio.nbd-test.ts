import assert from 'node:assert/strict';
import { chownSync, cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { run } from '@diskferry/system/run';
import type { Certificates } from '../setup/certificates.ts';
import { missing, notRoot } from '../setup/programs.ts';
import { SECURITIES, type ServedFile, serveFile } from './serve-file.ts';

interface FioReport {
  readonly jobs: readonly {
    readonly error: number;
    readonly read: { readonly total_ios: number };
    readonly write: { readonly total_ios: number };
  }[];
}

/** What goes over the disk, several times. */
const IO_SIZE = '48m';

/** "nobody": libnbd looks into the home of a user who is not root. */
const USER = 65_534;

/** Runs fio on a served file and reads its report, which stands after what the engine says of its connections. */
async function runFio(
  { folder, uri, certificates }: ServedFile,
  words: readonly string[],
): Promise<FioReport> {
  const report = join(folder, 'report.json');
  const command = ['fio', '--ioengine=nbd', ...words, '--output-format=json', `--output=${report}`];
  if (certificates === undefined) {
    await run(['env', ...command, `--uri=${uri}`], { cwd: folder });
  } else {
    // fio does not let an address name a folder with certificates, as nbdcopy does.
    const home = homeWithCertificates(folder, certificates);
    const [plainUri] = uri.split('?');
    await run([...AS_USER, ...command, `--uri=${plainUri}`], { cwd: folder, env: { HOME: home } });
  }
  const text = readFileSync(report, 'utf8');
  return JSON.parse(text.slice(text.indexOf('{'))) as FioReport;
}

const AS_USER =
  notRoot === false
    ? (['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--'] as const)
    : (['env'] as const);

function homeWithCertificates(folder: string, { folder: source }: Certificates): string {
  const home = join(folder, 'home');
  cpSync(source, join(home, '.pki/libnbd'), { recursive: true });
  if (notRoot === false) {
    // Its report goes into the folder.
    chownSync(folder, USER, USER);
    for (const name of ['.', ...readdirSync(home, { recursive: true, encoding: 'utf8' })]) {
      chownSync(join(home, name), USER, USER);
    }
  }
  return home;
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
        const served = await serveFile(t, { security, writable: true });
        const blockSize = blocks.includes('-') ? [`--bsrange=${blocks}`] : [`--bs=${blocks}`];
        const report = await runFio(served, [
          '--name=verify',
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
      const served = await serveFile(t, { security, writable: true });
      const report = await runFio(served, [
        '--name=mixed',
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
